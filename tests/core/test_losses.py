"""Eqs. 6 and 7 by hand, by finite differences, and at the edges."""

import math

import pytest
import torch

from core.errors import ConfigError
from core.losses import bernoulli_mask, label_loss, sparsity_loss, tree_loss


def test_label_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    loss = label_loss(logits, torch.tensor([0, 1]), divisor=2)
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_tree_loss_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0]])
    target = torch.tensor([[0.25, 0.75]])
    expected = -(0.25 * math.log(0.75) + 0.75 * math.log(0.25))
    assert tree_loss(logits, target, divisor=1).item() == pytest.approx(expected)


def test_tree_loss_with_a_one_hot_tree_is_the_label_loss() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 1, 0])
    one_hot = torch.nn.functional.one_hot(labels, 3).float()
    assert tree_loss(logits, one_hot, divisor=5).item() == pytest.approx(
        label_loss(logits, labels, divisor=5).item()
    )


def test_tree_loss_gives_the_tree_no_gradient() -> None:
    target = torch.tensor([[0.5, 0.5]], requires_grad=True)
    loss = tree_loss(torch.zeros(1, 2, requires_grad=True), target, divisor=1)
    loss.backward()
    assert target.grad is None


def test_tree_loss_gradient_by_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.rand(4, 3, generator=generator, dtype=torch.float64).softmax(1)
    assert torch.autograd.gradcheck(lambda x: tree_loss(x, target, divisor=4), logits)


@pytest.mark.parametrize(("norm", "expected"), [("l1", (3 + 2) / 2), ("l2", (9 + 4) / 2)])
def test_sparsity_loss_by_hand(norm: str, expected: float) -> None:
    levels = torch.tensor([[3.0, 1.0], [2.0, 5.0]])
    mask = torch.tensor([1.0, 0.0])
    loss = sparsity_loss(levels, mask, norm=norm, divisor=2)  # type: ignore[arg-type]
    assert loss.item() == expected


@pytest.mark.parametrize(("norm", "slope"), [("l1", 1.0), ("l2", 6.0)])
def test_sparsity_loss_pulls_masked_features_alone(norm: str, slope: float) -> None:
    levels = torch.full((1, 2), 3.0, requires_grad=True)
    sparsity_loss(
        levels,
        torch.tensor([1.0, 0.0]),
        norm=norm,
        divisor=1,  # type: ignore[arg-type]
    ).backward()
    assert levels.grad is not None
    assert levels.grad.tolist() == [[slope, 0.0]]


def test_unknown_norm_is_refused() -> None:
    with pytest.raises(ConfigError, match="`norm` must be 'l1' or 'l2', but got 'l3'"):
        sparsity_loss(torch.ones(1, 1), torch.ones(1), norm="l3", divisor=1)  # type: ignore[arg-type]


def test_losses_of_two_workers_add_up_to_one_process() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    whole = label_loss(logits, labels, divisor=6)
    parts = label_loss(logits[:4], labels[:4], divisor=6) + label_loss(
        logits[4:], labels[4:], divisor=6
    )
    torch.testing.assert_close(whole, parts)


@pytest.mark.parametrize(("probability", "value"), [(0.0, 0.0), (1.0, 1.0)])
def test_mask_at_the_ends(probability: float, value: float) -> None:
    mask = bernoulli_mask(1000, probability, generator=torch.Generator().manual_seed(0))
    assert torch.all(mask == value)


def test_mask_has_the_asked_share_and_changes_with_the_seed() -> None:
    first = bernoulli_mask(10_000, 0.3, generator=torch.Generator().manual_seed(0))
    second = bernoulli_mask(10_000, 0.3, generator=torch.Generator().manual_seed(1))
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert abs(first.mean().item() - 0.3) < 0.02
    assert not torch.equal(first, second)
