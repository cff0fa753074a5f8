"""The untrained control: the first weights, fixed ranges, and nothing learnt."""

import numpy as np
import pytest
import torch
from torch import nn

from core.config import TrainConfig
from core.data.loader import BatchStream
from core.errors import ConfigError
from core.evaluation import evaluate
from core.fidelity import fidelity
from core.methods import create_state
from core.model import IntersectionModel, normalize_images
from core.predict import predict_split
from core.training import fit
from core.untrained import evaluate_untrained, untrained_model
from tests.core.small import small_config, small_dataset

DATASET = small_dataset()


def fresh(config: TrainConfig) -> IntersectionModel:
    model = create_state(config, in_channels=1, num_classes=4).model
    assert isinstance(model, IntersectionModel)
    return model


def untrained(config: TrainConfig, *, num_batches: int = 16) -> IntersectionModel:
    model = untrained_model(config, DATASET, num_batches=num_batches)
    assert isinstance(model, IntersectionModel)
    return model


def images_of(config: TrainConfig, num_batches: int) -> list[torch.Tensor]:
    stream = BatchStream(DATASET.train, batch_size=config.batch_size, seed=config.seed)
    batches = list(stream.epoch(0))[:num_batches]
    return [batch.images_BCHW for batch in batches]


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_weights_are_the_first_ones(norm: str) -> None:
    config = small_config(trunk_norm=norm)
    expected = dict(fresh(config).named_parameters())
    for name, parameter in untrained(config).named_parameters():
        assert torch.equal(parameter, expected[name])


def test_the_range_is_that_of_the_first_batches_in_training_mode() -> None:
    config = small_config(trunk_norm="batch", feature_activation="none")
    expected = fresh(config).train()
    with torch.no_grad():
        for images_BCHW in images_of(config, 3):
            expected(images_BCHW)

    found = untrained(config, num_batches=3)

    assert found.quantizer.num_batches == 3
    assert found.quantizer.running_min == expected.quantizer.running_min
    assert found.quantizer.running_max == expected.quantizer.running_max
    assert found.quantizer.running_max > found.quantizer.running_min


def test_statistics_are_plain_means_over_the_batches() -> None:
    config = small_config(trunk_norm="batch")
    batches = images_of(config, 3)
    model = fresh(config).train()
    first = next(module for module in model.trunk.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        means = [first(normalize_images(x)).mean((0, 2, 3)) for x in batches]

    found = untrained(config, num_batches=3)

    norm = next(module for module in found.trunk.modules() if isinstance(module, nn.BatchNorm2d))
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))
    assert norm.momentum == 0.1


def test_levels_in_evaluation_are_spread_as_in_training() -> None:
    # With half of the statistics still at 0 and 1, features would leave the range or huddle in it.
    config = small_config(trunk_norm="batch")
    model = untrained(config)
    images = torch.from_numpy(DATASET.train.images_NCHW)
    with torch.no_grad():
        in_evaluation = model.eval().levels(images)
        in_training = model.train().levels(images)
    assert in_evaluation.mean() == pytest.approx(float(in_training.mean()), rel=0.25)
    assert (in_evaluation == in_training).float().mean() > 0.6


def test_frozen_stages_keep_their_statistics() -> None:
    config = small_config(trunk_norm="batch", frozen_stages=1)
    before, after = fresh(config).trunk.state_dict(), untrained(config).trunk.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith(("0.", "1.")) for name in moved)
    assert any("running_mean" in name for name in moved)


def test_evaluation_is_fidelity_of_the_untrained_levels() -> None:
    config = small_config()
    model = untrained(config)
    test, minival = (predict_split(model, split) for split in (DATASET.test, DATASET.minival))
    assert test.levels_ND is not None
    assert minival.levels_ND is not None
    expected = fidelity(
        DATASET.test.attributes_NA,
        test.levels_ND,
        num_levels=8,
        selection=(DATASET.minival.attributes_NA, minival.levels_ND),
    )

    found = evaluate_untrained(config, DATASET)

    assert found.fidelity is not None
    assert (found.fidelity.score, found.fidelity.heldout) == (expected.score, expected.heldout)
    assert found.test_tree_accuracy is None


def test_training_tells_classes_and_the_untrained_network_does_not() -> None:
    config = small_config(num_epochs=6)
    state = create_state(config, in_channels=1, num_classes=4)
    list(fit(state, DATASET))
    trained = evaluate(state.model, state.tree, DATASET)
    before = evaluate_untrained(config, DATASET)
    assert trained.test_accuracy > before.test_accuracy + 0.3
    assert before.zero_share is not None
    assert before.zero_share < 1


def test_the_same_again_and_no_draw_from_the_global_generator() -> None:
    config = small_config()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (evaluate_untrained(config, DATASET).scalars() for _ in range(2))
    assert first == second
    assert torch.equal(torch.rand(3), expected)
    assert evaluate_untrained(small_config(seed=1), DATASET).scalars() != first


def test_a_short_epoch_gives_all_its_batches() -> None:
    assert untrained(small_config(), num_batches=99).quantizer.num_batches == np.ceil(96 / 20)


def test_a_method_without_levels_has_no_fidelity() -> None:
    config = small_config(
        method="jigsaw",
        trunk="pmg:test_resnet",
        trunk_norm="batch",
        **{"jigsaw.pieces_per_side": [4, 2, 2]},
    )
    assert evaluate_untrained(config, DATASET, num_batches=2).fidelity is None


@pytest.mark.parametrize("num_batches", [0, -1])
def test_no_batch_is_refused(num_batches: int) -> None:
    with pytest.raises(ConfigError, match=f"at least 1, but got {num_batches}"):
        untrained_model(small_config(), DATASET, num_batches=num_batches)
