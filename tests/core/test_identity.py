"""Configs of one hash are one run: what identity leaves out moves no bit."""

import pytest
import torch

from core.config import TrainConfig
from core.methods import create_state
from core.training import EpochResult, TrainState, fit
from tests.core.small import small_config, small_dataset

Run = tuple[TrainState, list[EpochResult]]


def run(config: TrainConfig) -> Run:
    dataset = small_dataset(num_train=40)
    state = create_state(config, in_channels=1, num_classes=4)
    return state, list(fit(state, dataset))


def assert_same_run(first: Run, second: Run) -> None:
    ours, theirs = first[0].model.state_dict(), second[0].model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
    for left, right in zip(first[1], second[1], strict=True):
        assert left.losses == right.losses
        assert left.minival_accuracy == right.minival_accuracy
        assert left.tree == right.tree


@pytest.fixture(scope="module")
def without_sparsity() -> Run:
    return run(small_config(num_epochs=2, sparsity_weight=0.0))


@pytest.mark.parametrize(
    "changes",
    [
        {"sparsity_weight": 0.0, "mask_probability": 0.9},
        {"sparsity_weight": 0.0, "sparsity_norm": "l2"},
        {"sparsity_weight": 0.0, "sparsity_divisor": "dataset"},
        {"mask_probability": 0.0, "sparsity_weight": 3.0},
        {"mask_probability": 0.0, "sparsity_norm": "l2"},
        {"mask_probability": 0.0, "sparsity_divisor": "dataset"},
    ],
)
def test_without_its_weight_or_its_mask_nothing_of_eq_7_matters(
    without_sparsity: Run, changes: dict[str, object]
) -> None:
    config = small_config(num_epochs=2, **changes)
    assert config.hash == without_sparsity[0].config.hash
    assert config.params() == without_sparsity[0].config.params()
    assert_same_run(run(config), without_sparsity)


def test_the_width_of_the_small_net_does_not_matter_to_a_timm_trunk() -> None:
    narrow, wide = (
        small_config(num_epochs=1, trunk="test_resnet", trunk_norm="batch", trunk_width=width)
        for width in (4, 8)
    )
    assert narrow.hash == wide.hash
    assert_same_run(run(narrow), run(wide))


@pytest.mark.parametrize(
    "changes",
    [
        {"mask_probability": 0.9},
        {"sparsity_norm": "l2"},
        {"sparsity_divisor": "dataset"},
        {"trunk_width": 8},
        {"tree_weight": 0.0, "max_depth": 3},
        {"partition": "once"},
        {"sparsity_weight": 0.0},
    ],
)
def test_what_moves_a_number_is_part_of_the_identity(changes: dict[str, object]) -> None:
    assert small_config(**changes).hash != small_config().hash


def test_a_checkpoint_of_the_same_run_is_taken_whatever_its_idle_fields_say() -> None:
    state, _ = run(small_config(num_epochs=1, mask_probability=0.0, sparsity_norm="l2"))
    other = create_state(
        small_config(num_epochs=1, sparsity_weight=0.0), in_channels=1, num_classes=4
    )
    other.load_state_dict(state.state_dict())
    assert other.finished
