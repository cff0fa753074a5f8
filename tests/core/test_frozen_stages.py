"""Frozen stages of a trunk: nothing in them moves, and all else does."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from core.backbones import build_trunk, check_backbone, freeze_stages
from core.errors import ConfigError
from core.methods import create_state
from core.training import fit
from tests.core.small import small_config, small_dataset


def moved(trunk: str, frozen_stages: int) -> tuple[set[str], set[str]]:
    """Names in the trunk that two steps change, and those that they do not."""
    config = small_config(
        trunk=trunk,
        trunk_norm="batch",
        num_epochs=1,
        batch_size=12,
        frozen_stages=frozen_stages,
        weight_decay=0.01,
        # A ReLU would hold the quantizer's running minimum at 0.
        feature_activation="none",
    )
    state = create_state(config, in_channels=1, num_classes=4)
    before: Mapping[str, Tensor] = {k: v.clone() for k, v in state.model.state_dict().items()}
    list(fit(state, small_dataset(num_train=24)))
    after = state.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    return changed, set(before) - changed


@pytest.mark.parametrize(
    ("trunk", "frozen_stages", "prefixes"),
    [
        ("conv", 2, ("trunk.0.", "trunk.1.", "trunk.3.", "trunk.4.")),
        (
            "test_efficientnet",
            2,
            ("trunk.model.conv_stem.", "trunk.model.bn1.", "trunk.model.blocks.0."),
        ),
        (
            "pmg:test_resnet",
            3,
            tuple(f"trunk.body.{part}." for part in ("conv1", "bn1", "layer1", "layer2")),
        ),
    ],
)
def test_frozen_stages_stay_and_all_else_moves(
    trunk: str, frozen_stages: int, prefixes: tuple[str, ...]
) -> None:
    changed, same = moved(trunk, frozen_stages)
    assert same
    assert all(name.startswith(prefixes) for name in same)
    assert not any(name.startswith(prefixes) for name in changed)
    changed, same = moved(trunk, 0)
    assert same == set()


def test_stages_may_all_be_frozen() -> None:
    changed, same = moved("conv", 3)
    assert all(name.startswith("trunk.") for name in same)
    assert not any(name.startswith("trunk.") for name in changed)


def test_statistics_stay_through_evaluation_and_back() -> None:
    config = small_config(trunk_norm="batch", frozen_stages=1)
    model = create_state(config, in_channels=1, num_classes=4).model
    for mode in (True, False, True):
        model.train(mode)
        assert not model.trunk.get_submodule("1").training
        assert model.trunk.get_submodule("4").training is mode


@pytest.mark.parametrize(
    ("trunk", "count", "message"),
    [
        ("conv", 4, "`frozen_stages` must be at most 3, the stages of this trunk, but got 4"),
        ("pmg:test_resnet", 6, "must be at most 5"),
        ("caformer_s18", 1, "must be 0 for 'caformer_s18', of which timm does not say"),
    ],
)
def test_too_many_stages_are_refused(trunk: str, count: int, message: str) -> None:
    config = small_config(trunk=trunk, trunk_norm="batch", frozen_stages=count)
    with pytest.raises(ConfigError, match=message):
        check_backbone(config)
    with pytest.raises(ConfigError, match=message), torch.device("meta"):
        freeze_stages(build_trunk(trunk, in_channels=3)[0], count)


def test_stages_hold_every_weight_of_the_trunk_once() -> None:
    for name in ("conv", "test_vit", "pmg:test_resnet"):
        trunk, _ = build_trunk(name, in_channels=3)
        staged = [id(parameter) for stage in trunk.stages() for parameter in stage]
        new = [id(parameter) for parameter in trunk.new_parameters()]
        assert sorted(staged + new) == sorted(id(parameter) for parameter in trunk.parameters())
