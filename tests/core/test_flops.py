"""Operations of a run: against torch's own count, by hand, and on images of the full size."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from core.config import TrainConfig
from core.flops import Phase, RunFlops, SplitSizes, count_run
from core.flops._count import _count
from core.flops._uncomputed import UncomputedConvolutions
from core.methods import ROWS
from tests.core.small import small_config

SMALL = {
    "trunk": "pmg:test_resnet",
    "trunk_norm": "batch",
    "feature_dim": 16,
    "num_epochs": 40,
}


def config_of(row: str, **changes: object) -> TrainConfig:
    base = small_config(**SMALL).replace(ROWS[row])
    return base.replace({"trunk": SMALL["trunk"], **changes})


def test_totals_by_hand() -> None:
    flops = RunFlops(
        prepare=7.0,
        recognize=2.0,
        phases={
            "warm": Phase(num_epochs=1, train=3.0, minival=0.0),
            "train": Phase(num_epochs=4, train=5.0, minival=1.0),
        },
    )
    assert flops.num_epochs == 5
    assert flops.train_image == (3 + 4 * 5) / 5
    # Before the first epoch; epochs; their evaluations; all images, and two splits again.
    expected = 7 * 100 + (3 + 4 * 5) * 100 + 4 * 1 * 10 + 5 * 2 * 30 + 2 * (100 + 2 * 30)
    assert flops.total(SplitSizes(train=100, minival=10, test=20)) == expected


def test_a_line_through_two_counts() -> None:
    first, second = (
        RunFlops(
            prepare=scale,
            recognize=2 * scale,
            phases={"train": Phase(num_epochs=3, train=5 * scale, minival=7.0)},
        )
        for scale in (1.0, 4.0)
    )
    found = first.extrapolated(second, 5)
    assert (found.prepare, found.recognize) == (16, 32)
    assert found.phases == {"train": Phase(num_epochs=3, train=80, minival=7)}


def test_what_is_not_computed_counts_as_what_is() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 4, 1, bias=False),
        nn.Flatten(),
        nn.Linear(4 * 64, 5),
    )
    images = torch.rand(6, 3, 16, 16, requires_grad=True)

    def count() -> int:
        with FlopCounterMode(display=False) as counter:
            net(images).square().sum().backward()
        return int(counter.get_total_flops())

    computed = count()
    shapes = [parameter.grad.shape for parameter in net.parameters() if parameter.grad is not None]
    net.zero_grad()
    with UncomputedConvolutions():
        assert count() == computed
    assert [parameter.grad.shape for parameter in net.parameters()] == shapes  # type: ignore[union-attr]
    # Forward: products of the two convolutions and of the linear layer, twice each for the sum.
    forward = 2 * 6 * (64 * 8 * 3 * 9 + 64 * 4 * 8 + 4 * 64 * 5)
    assert computed == 3 * forward


# NTS-Net's navigator has strides that leave cells over; a few rows depend on what images hold.
@pytest.mark.parametrize("row", [row for row in ROWS if ":" not in row])
def test_small_images_tell_what_large_ones_cost(row: str, tmp_path: Path) -> None:
    config = config_of(row)
    shape = 3, 128, 192
    found = count_run(config, image_shape=shape, num_classes=7, folder=tmp_path)
    direct = _count(config, shape, 7)
    assert found.recognize == pytest.approx(direct.recognize, rel=1e-3)
    assert found.prepare == pytest.approx(direct.prepare, rel=1e-3)
    assert found.phases.keys() == direct.phases.keys()
    for name, phase in direct.phases.items():
        assert found.phases[name].train == pytest.approx(phase.train, rel=1e-3)
        assert found.phases[name].minival == pytest.approx(phase.minival, rel=1e-3, abs=1.0)
        assert phase.train > phase.minival >= 0
    assert found.num_epochs == config.num_epochs
    assert found.train_image > found.recognize > 0


def test_a_step_forward_and_back_is_three_times_the_way_forward(tmp_path: Path) -> None:
    flops = count_run(
        config_of("quantized"), image_shape=(3, 64, 64), num_classes=7, folder=tmp_path
    )
    # But for the first layer, whose input needs no gradient.
    assert 2.8 * flops.recognize < flops.train_image < 3.1 * flops.recognize


def test_phases_have_their_own_costs(tmp_path: Path) -> None:
    config = config_of("protopnet", weights="any.pth")
    flops = count_run(config, image_shape=(3, 64, 64), num_classes=7, folder=tmp_path)
    of_epochs = {name: phase.num_epochs for name, phase in flops.phases.items()}
    # Ten of 40 epochs warm up; pushes follow every tenth after it.
    assert of_epochs == {"warm": 10, "train": 27, "train, push": 3}
    warm, plain, push = flops.phases.values()
    assert warm.train < plain.train / 2
    # A push is two passes over the training images.
    assert push.train - plain.train == pytest.approx(2 * flops.recognize, rel=0.05)
    random = count_run(
        config_of("protopnet"), image_shape=(3, 64, 64), num_classes=7, folder=tmp_path
    )
    assert "warm" not in random.phases
    assert len(list(tmp_path.iterdir())) == 1


def test_nothing_is_drawn_from_the_global_generator(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    count_run(config_of("intersection"), image_shape=(3, 64, 64), num_classes=7, folder=tmp_path)
    assert torch.equal(torch.rand(2), expected)
