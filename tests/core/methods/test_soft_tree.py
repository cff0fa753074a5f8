"""The soft tree: paths by enumeration, the hard tree as a limit, losses and penalty by hand."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.methods._soft_tree import BalancePenalty, SoftTree, log_paths, small_depth
from tests.core.workers import in_workers


def random_tree(depth: int = 3, *, seed: int = 0) -> SoftTree:
    torch.manual_seed(seed)
    return SoftTree(num_features=5, num_classes=3, depth=depth).double()


def samples(count: int = 6, *, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, generator=generator, dtype=torch.float64)


def enumerated(logits: list[float], depth: int) -> list[float]:
    """Probability of each string of turns, 1 for right, in the order of the leaves."""
    found = []
    for turns in itertools.product([0, 1], repeat=depth):
        node, probability = 0, 1.0
        for turn in turns:
            right = 1 / (1 + math.exp(-logits[node]))
            probability *= right if turn else 1 - right
            node = 2 * node + 1 + turn
        found.append(probability)
    return found


@given(st.integers(1, 4), st.integers(0, 2**31 - 1))
@settings(max_examples=30, deadline=None)
def test_paths_are_those_of_an_enumeration(depth: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4, 2**depth - 1, generator=generator, dtype=torch.float64)
    levels = log_paths(logits)
    assert [level.shape for level in levels] == [(4, 2**k) for k in range(depth + 1)]
    for row, probabilities in zip(logits.tolist(), levels[-1].exp().tolist(), strict=True):
        assert probabilities == pytest.approx(enumerated(row, depth), rel=1e-9)
    for level in levels:
        assert level.exp().sum(1).tolist() == pytest.approx([1] * 4)


def test_extreme_tests_give_no_nan() -> None:
    signs = torch.randint(0, 2, (8, 255), generator=torch.Generator().manual_seed(0)) * 2 - 1
    logits = (1e4 * signs.float()).requires_grad_()
    levels = log_paths(logits)
    assert levels[-1].exp().sum(1).tolist() == pytest.approx([1] * 8, abs=1e-6)
    tree = SoftTree(num_features=2, num_classes=3, depth=8)
    labels = torch.arange(8) % 3
    loss = tree.expected_loss(levels[-1], labels, divisor=8)
    loss = loss + BalancePenalty(depth=8)(logits, levels)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def hard_leaf(tree: SoftTree, x: np.ndarray, depth: int) -> int:
    weight, bias = (p.detach().numpy() for p in tree.tests.parameters())
    node = 0
    for _ in range(depth):
        node = 2 * node + (2 if weight[node] @ x + bias[node] > 0 else 1)
    return node - (2**depth - 1)


def test_with_steep_tests_it_is_a_hard_tree() -> None:
    tree = random_tree(4)
    x = samples(50)
    leaves = [hard_leaf(tree, row, 4) for row in x.numpy()]
    assert len(set(leaves)) > 4
    with torch.no_grad():
        for parameter in tree.tests.parameters():
            parameter.mul_(1e6)
    paths = tree.log_paths(x)[-1].exp()
    assert paths.argmax(1).tolist() == leaves
    expected = tree.leaf_logits_LK.softmax(1)[leaves]
    torch.testing.assert_close(tree.best_leaf(paths), expected)
    torch.testing.assert_close(tree.mixture(paths), expected)


def test_the_inverse_temperature_scales_the_tests() -> None:
    tree, x = random_tree(), samples()
    plain = tree.logits(x)
    torch.testing.assert_close(plain, tree.tests(x))
    tree.inverse_temperature = 4.0
    torch.testing.assert_close(tree.logits(x), 4 * plain)
    torch.testing.assert_close(tree.log_paths(x)[-1], log_paths(4 * plain)[-1])


def test_losses_written_out() -> None:
    tree, x = random_tree(), samples()
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    log_leaves = tree.log_paths(x)[-1]
    q = tree.leaf_logits_LK.softmax(1).detach().numpy()
    p = log_leaves.exp().detach().numpy()
    each = [sum(p[i, leaf] * -np.log(q[leaf, labels[i]]) for leaf in range(8)) for i in range(6)]
    mixed = [-np.log(sum(p[i, leaf] * q[leaf, labels[i]] for leaf in range(8))) for i in range(6)]
    expected = tree.expected_loss(log_leaves, labels, divisor=6)
    mixture = tree.mixture_loss(log_leaves, labels, divisor=6)
    assert expected.item() == pytest.approx(np.mean(each))
    assert mixture.item() == pytest.approx(np.mean(mixed))
    assert expected > mixture, "Jensen"
    one_hot = torch.eye(8, dtype=torch.float64)[:6].clamp(min=1e-300).log()
    assert tree.expected_loss(one_hot, labels, divisor=6).item() == pytest.approx(
        tree.mixture_loss(one_hot, labels, divisor=6).item()
    )


Weights = tuple[np.ndarray, np.ndarray, np.ndarray]


def objective_by_numpy(
    weights: Weights, x: np.ndarray, labels: np.ndarray, *, beta: float, penalty: float
) -> float:
    """The loss of Frosst & Hinton (2017) by products of probabilities, without logarithms."""
    tests, bias, leaves = weights
    num_tests = len(tests)
    q = np.exp(leaves) / np.exp(leaves).sum(1, keepdims=True)
    p = 1 / (1 + np.exp(-beta * (x @ tests.T + bias)))
    reach = np.ones((len(x), 2 * num_tests + 1))
    for node in range(num_tests):
        reach[:, 2 * node + 1] = reach[:, node] * (1 - p[:, node])
        reach[:, 2 * node + 2] = reach[:, node] * p[:, node]
    total = -(reach[:, num_tests:] * np.log(q[:, labels].T)).sum() / len(x)
    for node in range(num_tests):
        alpha = (reach[:, node] * p[:, node]).sum() / reach[:, node].sum()
        depth = int(np.log2(node + 1))
        total -= penalty * 2.0**-depth * 0.5 * (np.log(alpha) + np.log(1 - alpha))
    return float(total)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_whole_objective_and_its_gradient_are_those_of_another_implementation(
    beta: float,
) -> None:
    tree, x, labels = random_tree(), samples(20), torch.arange(20) % 3
    tree.inverse_temperature = beta
    logits = tree.logits(x)
    paths = log_paths(logits)
    balance = BalancePenalty(depth=3).double()(logits, paths)
    found = tree.expected_loss(paths[-1], labels, divisor=20) + 0.1 * balance
    found.backward()
    parameters = (tree.tests.weight, tree.tests.bias, tree.leaf_logits_LK)

    def value(weights: Weights) -> float:
        return objective_by_numpy(weights, x.numpy(), labels.numpy(), beta=beta, penalty=0.1)

    at = tuple(parameter.detach().numpy().copy() for parameter in parameters)
    assert found.item() == pytest.approx(value(at))
    for index, parameter in enumerate(parameters):
        assert parameter.grad is not None
        for place in np.ndindex(at[index].shape):
            ends = []
            for sign in (1, -1):
                moved = tuple(array.copy() for array in at)
                moved[index][place] += sign * 1e-6
                ends.append(value(moved))
            slope = (ends[0] - ends[1]) / 2e-6
            assert parameter.grad[place].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_a_mirrored_tree_says_the_same() -> None:
    """Every test negated, and its subtrees swapped."""
    tree, mirrored, x = random_tree(), random_tree(seed=5), samples()
    # Node i of a depth is the mirror's node from the other end.
    order = [2**d - 1 + (2**d - 1 - i) for d in range(3) for i in range(2**d)]
    with torch.no_grad():
        mirrored.tests.weight.copy_(-tree.tests.weight[order])
        mirrored.tests.bias.copy_(-tree.tests.bias[order])
        mirrored.leaf_logits_LK.copy_(tree.leaf_logits_LK.flip(0))
    first, second = (t.log_paths(x)[-1].exp() for t in (tree, mirrored))
    torch.testing.assert_close(first, second.flip(1))
    torch.testing.assert_close(tree.best_leaf(first), mirrored.best_leaf(second))
    torch.testing.assert_close(tree.mixture(first), mirrored.mixture(second))


def test_a_mixture_by_weights_that_do_not_add_up() -> None:
    tree = random_tree(1)
    q = tree.leaf_logits_LK.softmax(1)
    given = torch.tensor([[0.5, 0.0], [0.2, 0.2], [0.0, 0.0]], dtype=torch.float64)
    expected = torch.stack([q[0], q.mean(0), q.mean(0)])
    torch.testing.assert_close(tree.mixture(given), expected)


def test_the_penalty_of_a_tree_without_preferences_is_d_times_ln_2() -> None:
    zeros = torch.zeros(5, 255)
    penalty = 0.1 * BalancePenalty(depth=8)(zeros, log_paths(zeros))
    assert penalty.item() == pytest.approx(0.554518, abs=1e-6)


def penalty_by_hand(alpha: list[float], depth: int) -> float:
    nodes = [level for level in range(depth) for _ in range(2**level)]
    return sum(
        -(2.0**-level) * 0.5 * (math.log(a) + math.log(1 - a))
        for level, a in zip(nodes, alpha, strict=True)
    )


def shares(logits: Tensor) -> tuple[list[float], list[float]]:
    """Sums of P_i p_i and P_i of a tree of depth 2, by enumeration."""
    right, through = [0.0] * 3, [0.0] * 3
    for row in logits.tolist():
        p = [1 / (1 + math.exp(-z)) for z in row]
        reach = [1.0, 1 - p[0], p[0]]
        right = [a + b * c for a, b, c in zip(right, reach, p, strict=True)]
        through = [a + b for a, b in zip(through, reach, strict=True)]
    return right, through


def test_the_running_penalty_by_hand() -> None:
    """The root sees the batch alone; its children half of what they saw before."""
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(4, 3, generator=generator, dtype=torch.float64) for _ in range(3)]
    penalty = BalancePenalty(depth=2).double()
    batch_alone = BalancePenalty(depth=2, running=False).double()
    sums = [[0.0] * 3, [0.0] * 3]
    for batch in batches:
        found = penalty(batch, log_paths(batch)).item()
        new = shares(batch)
        decay = [0, 0.5, 0.5]
        sums = [
            [d * old + x for d, old, x in zip(decay, before, after, strict=True)]
            for before, after in zip(sums, new, strict=True)
        ]
        alpha = [a / b for a, b in zip(*sums, strict=True)]
        assert found == pytest.approx(penalty_by_hand(alpha, 2))
        alpha = [a / b for a, b in zip(*new, strict=True)]
        now = batch_alone(batch, log_paths(batch)).item()
        assert now == pytest.approx(penalty_by_hand(alpha, 2))


def test_a_constant_stream_converges_to_its_batch() -> None:
    batch = torch.randn(4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    penalty = BalancePenalty(depth=3).double()
    for _ in range(200):
        last = penalty(batch, log_paths(batch))
    alone = BalancePenalty(depth=3, running=False).double()(batch, log_paths(batch))
    assert last.item() == pytest.approx(alone.item(), rel=1e-9)


def test_gradients_of_the_penalty_are_those_of_finite_differences() -> None:
    def value(logits: Tensor) -> Tensor:
        total: Tensor = BalancePenalty(depth=3)(logits, log_paths(logits))
        return total

    logits = draw_logits(1).requires_grad_()
    assert torch.autograd.gradcheck(value, logits)


def draw_logits(seed: int) -> Tensor:
    return torch.randn(4, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(penalty: BalancePenalty, logits: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    penalty(logits, log_paths(logits)).backward()
    assert logits.grad is not None
    return logits.grad


def test_the_window_does_not_thin_the_gradient() -> None:
    """A deep node's sums hold many batches, of which one has the gradient."""
    batch = draw_logits(0)
    alone = gradient(BalancePenalty(depth=3, running=False).double(), batch)
    penalty = BalancePenalty(depth=3).double()
    for _ in range(100):
        torch.testing.assert_close(gradient(penalty, batch), alone)


def test_over_a_window_the_gradient_is_that_of_its_sums() -> None:
    """Of a batch after another one, by finite differences: times the batches in the window."""
    history, batch = draw_logits(0), draw_logits(1)
    found = gradient_after(history, batch)
    step = 1e-6
    for node, depth in ((0, 0), (1, 1), (2, 1), (3, 2), (6, 2)):
        ends = []
        for sign in (1, -1):
            moved = batch.clone()
            moved[2, node] += sign * step
            right, through = (
                [
                    (1 - 2.0**-d) * old + new
                    for d, old, new in zip(DEPTHS, before, after, strict=True)
                ]
                for before, after in zip(all_shares(history), all_shares(moved), strict=True)
            )
            # Each node's term by itself, since each has a window of its own.
            ends.append(
                [
                    -(2.0**-d) / 2 * (math.log(r / t) + math.log(1 - r / t)) * (2 - 2.0**-d)
                    for d, r, t in zip(DEPTHS, right, through, strict=True)
                ]
            )
        expected = sum((a - b) / (2 * step) for a, b in zip(*ends, strict=True))
        assert found[2, node].item() == pytest.approx(expected, rel=1e-5, abs=1e-9), (node, depth)


DEPTHS = [level for level in range(3) for _ in range(2**level)]


def gradient_after(history: Tensor, batch: Tensor) -> Tensor:
    penalty = BalancePenalty(depth=3).double()
    penalty(history, log_paths(history))
    return gradient(penalty, batch)


def all_shares(logits: Tensor) -> tuple[list[float], list[float]]:
    """Sums of P_i p_i and P_i of a tree of depth 3, node by node."""
    right, through = np.zeros(7), np.zeros(7)
    for row in logits.tolist():
        reach = np.ones(15)
        for node in range(7):
            p = 1 / (1 + math.exp(-row[node]))
            reach[2 * node + 1], reach[2 * node + 2] = reach[node] * (1 - p), reach[node] * p
        right += reach[2:15:2]
        through += reach[:7]
    return right.tolist(), through.tolist()


def test_all_nodes_above_the_leaves_are_penalised() -> None:
    """A well-known code leaves the last level, half of all nodes, without a penalty."""
    logits = torch.zeros(4, 7, dtype=torch.float64, requires_grad=True)
    skewed = logits + 1.0
    BalancePenalty(depth=3).double()(skewed, log_paths(skewed)).backward()
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_depths_of_small_networks() -> None:
    assert [small_depth(k) for k in (2, 4, 5, 10, 20, 200)] == [4, 4, 5, 6, 7, 10]


def _penalise(rank: int, world_size: int, folder: str) -> None:
    batch = torch.randn(6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # Unequal parts of one batch, twice, so that there is a history.
    mine = batch.tensor_split([4])[rank] if world_size == 2 else batch
    mine = mine.clone().requires_grad_()
    penalty = BalancePenalty(depth=3).double()
    penalty(mine, log_paths(mine))
    share = penalty(mine, log_paths(mine))
    share.backward()
    torch.save({"share": share.detach(), "grad": mine.grad}, f"{folder}/{world_size}-{rank}.pt")


def test_workers_add_up_to_the_penalty_of_one(tmp_path: Path) -> None:
    _penalise(0, 1, str(tmp_path))
    in_workers(_penalise, 2, str(tmp_path))
    alone, first, second = (torch.load(tmp_path / f"{n}.pt") for n in ("1-0", "2-0", "2-1"))
    assert torch.allclose(first["share"] + second["share"], alone["share"])
    assert torch.allclose(torch.cat([first["grad"], second["grad"]]), alone["grad"])
