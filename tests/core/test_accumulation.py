"""Micro-batches: the same weights from less memory, and what BatchNorm makes of them."""

import math

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from core.backbones import build_trunk, forward_in_parts
from core.methods import create_state
from core.model import build_model
from core.training import fit
from tests.core.small import small_config, small_dataset


def trained(**changes: object) -> dict[str, Tensor]:
    config = small_config(num_epochs=2, weight_decay=0.0, **changes)
    state = create_state(config, in_channels=1, num_classes=4)
    # 52 samples: the last batch is a smaller one.
    list(fit(state, small_dataset(num_train=52)))
    return state.model.state_dict()


@pytest.mark.parametrize("quantizer_range", ["batch", "sample"])
@pytest.mark.parametrize("update", ["sequential", "joint"])
def test_weights_are_those_of_one_step(quantizer_range: str, update: str) -> None:
    changes = {"quantizer_range": quantizer_range, "update": update}
    whole = trained(**changes)
    for steps in (2, 3):
        parts = trained(accumulation_steps=steps, **changes)
        for name, tensor in whole.items():
            torch.testing.assert_close(parts[name], tensor, rtol=1e-5, atol=1e-5)


def test_batch_norm_before_the_quantizer_sees_the_whole_batch() -> None:
    """With no BatchNorm that trains in the trunk, the projection's makes no difference."""
    changes = {"trunk_norm": "batch", "frozen_stages": 1, "trunk": "test_efficientnet_ln"}
    whole, parts = trained(**changes), trained(accumulation_steps=2, **changes)
    assert "projection.1.running_mean" in whole
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_one_step_in_double() -> None:
    """With a random upstream gradient, and uneven parts."""
    torch.manual_seed(0)
    trunk, width = build_trunk("conv", in_channels=1, width=4, norm="group")
    trunk.double()
    x_BCHW = torch.rand(7, 1, 8, 8, dtype=torch.float64)
    upstream = torch.randn(7, width, dtype=torch.float64)
    expected = torch.autograd.grad(trunk(x_BCHW), list(trunk.parameters()), upstream)
    for parts in (1, 2, 3, 7, 20):
        features = forward_in_parts(trunk, x_BCHW, parts)
        gradients = torch.autograd.grad(features, list(trunk.parameters()), upstream)
        for ours, theirs in zip(gradients, expected, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_the_trunk_runs_on_one_part_at_a_time_and_keeps_nothing() -> None:
    trunk, _ = build_trunk("conv", in_channels=1, width=4, norm="group")
    x_BCHW = torch.rand(12, 1, 16, 16)

    def run(parts: int) -> tuple[int, list[int]]:
        kept: list[int] = []
        sizes: list[int] = []

        def pack(tensor: Tensor) -> Tensor:
            kept.append(tensor.numel())
            return tensor

        handle = trunk.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        with saved_tensors_hooks(pack, lambda tensor: tensor):
            features = forward_in_parts(trunk, x_BCHW, parts) if parts > 1 else trunk(x_BCHW)
            features.sum().backward()
        handle.remove()
        return sum(kept), sizes

    whole, sizes = run(1)
    assert sizes == [12]
    parts, sizes = run(4)
    assert sizes == [3] * 8  # forward, and once more in the backward pass
    assert parts < whole / 10


def test_batch_norm_in_the_trunk_moves_once_for_each_part() -> None:
    """As a network that is given the parts one after another."""
    torch.manual_seed(0)
    trunk, _ = build_trunk("conv", in_channels=1, width=4, norm="batch")
    torch.manual_seed(0)
    other, _ = build_trunk("conv", in_channels=1, width=4, norm="batch")
    x_BCHW = torch.rand(12, 1, 8, 8)
    features = forward_in_parts(trunk, x_BCHW, 3)
    features.square().sum().backward()
    alone = torch.cat([other(part) for part in x_BCHW.chunk(3)])
    alone.square().sum().backward()
    assert torch.equal(features, alone)
    for (name, ours), theirs in zip(
        trunk.state_dict().items(), other.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    for ours, theirs in zip(trunk.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    assert trunk.state_dict()["1.num_batches_tracked"] == 3


def test_dropout_draws_the_same_twice() -> None:
    """The gradient belongs to the features that were given, not to another draw."""
    trunk = torch.nn.Sequential(torch.nn.Linear(5, 50), torch.nn.Dropout(0.5)).double()
    x_BD = torch.rand(6, 5, dtype=torch.float64)
    features = forward_in_parts(trunk, x_BD, 2)
    (gradient,) = torch.autograd.grad(features.sum(), [trunk[0].bias])
    kept = (features != 0).double() / 0.5
    torch.testing.assert_close(gradient, kept.sum(0))


def test_evaluation_takes_no_parts() -> None:
    model = build_model(small_config(accumulation_steps=4), in_channels=1, num_classes=4)
    sizes: list[int] = []
    model.trunk.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    with torch.inference_mode():
        model.features(torch.rand(8, 1, 8, 8))
    assert sizes == [8]
    features = model.features(torch.rand(8, 1, 8, 8))
    assert sizes == [8, 2, 2, 2, 2]
    assert math.isfinite(features.sum().item())
