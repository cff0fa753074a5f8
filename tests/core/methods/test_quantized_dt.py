"""The growing tree of soft stamps: growth against oracles, gradients, and what a run leaves."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score
from sklearn.tree import DecisionTreeClassifier
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import QuantizedDTOptions
from core.errors import ConfigError
from core.methods._soft_tree import log_paths
from core.methods.quantized_dt import QuantizedDTModel
from core.methods.quantized_dt._counts import (
    add_counts,
    best_split,
    hoeffding_bound,
    information_gains,
)
from core.methods.quantized_dt._growth import Growth
from core.methods.quantized_dt._stamps import StampTree
from core.predict import predict_split
from core.training import TrainState, fit
from tests.core.methods.problems import config_of, start, striped, train

LEVELS, CLASSES = 8, 3


def problem(count: int = 200, num_features: int = 5, *, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Levels of which the third says much of the class, and the others little."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    levels = rng.integers(0, LEVELS, (count, num_features))
    levels[:, 2] = np.clip(2 * labels + rng.integers(0, 3, count), 0, LEVELS - 1)
    return torch.from_numpy(levels.astype(np.uint8)), torch.from_numpy(labels)


def counted(levels: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    counts = torch.zeros(levels.shape[1], LEVELS, CLASSES)
    add_counts(counts, levels, labels)
    return counts


def grown(max_leaves: int = 6, *, seed: int = 0) -> StampTree:
    """A tree of random tests in double precision."""
    rng = np.random.default_rng(seed)
    tree = StampTree(num_classes=CLASSES, max_leaves=max_leaves)
    while tree.num_leaves < max_leaves:
        tree.split(
            int(rng.choice(tree.leaves())),
            feature=int(rng.integers(0, 5)),
            threshold=int(rng.integers(0, LEVELS - 1)),
            left_K=rng.integers(0, 9, CLASSES).astype(float),
            right_K=rng.integers(0, 9, CLASSES).astype(float),
        )
    return tree.double()


def walk(tree: StampTree, x: list[float], *, soft: bool) -> dict[int, float]:
    """Leaf to probability, from the root down, one node at a time."""
    found, waiting = {}, [(0, 1.0)]
    while waiting:
        node, probability = waiting.pop()
        left = int(tree.left_M[node])
        if left == 0:
            found[node] = probability
            continue
        distance = x[int(tree.feature_M[node])] - tree.threshold_M[node].item() - 0.5
        temperature = math.exp(tree.log_temperature_M[node].item())
        right = 1 / (1 + math.exp(-distance / temperature)) if soft else float(distance > 0)
        waiting += [(left, probability * (1 - right)), (left + 1, probability * right)]
    return found


@given(st.integers(1, 9), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_paths_are_those_of_a_walk(max_leaves: int, seed: int) -> None:
    tree, levels = grown(max_leaves, seed=seed), problem(7, seed=seed)[0].double()
    with torch.no_grad():
        tree.log_temperature_M.uniform_(-1, 1)
        tree.threshold_M.add_(0.3)
        log_paths, leaves = tree.log_leaves(levels)
    assert sorted(leaves.tolist()) == tree.leaves()
    assert log_paths.exp().sum(1).tolist() == pytest.approx([1] * 7)
    for row, said in zip(levels.tolist(), log_paths.exp().tolist(), strict=True):
        assert dict(zip(leaves.tolist(), said, strict=True)) == pytest.approx(
            walk(tree, row, soft=True)
        )
    mixture = log_paths.exp() @ tree.leaf_logits_MK[leaves].softmax(1)
    torch.testing.assert_close(tree(levels), mixture)


def test_sharp_tests_go_where_samples_are_counted() -> None:
    tree, levels = grown(8), problem(60)[0]
    with torch.no_grad():
        tree.threshold_M.add_(torch.rand(15, generator=torch.Generator().manual_seed(1)) - 0.5)
        tree.log_temperature_M.fill_(-12)
        log_paths, leaves = tree.log_leaves(levels.double())
    routed = tree.route(levels.numpy())
    assert len(set(routed.tolist())) > 3
    assert leaves[log_paths.argmax(1)].tolist() == routed.tolist()
    for row, leaf in zip(levels.tolist(), routed.tolist(), strict=True):
        assert walk(tree, row, soft=False)[leaf] == 1


def test_counts_are_those_of_a_loop_in_any_order() -> None:
    levels, labels = problem(50)
    expected = np.zeros((5, LEVELS, CLASSES))
    for row, label in zip(levels.tolist(), labels.tolist(), strict=True):
        for feature, level in enumerate(row):
            expected[feature, level, label] += 1
    assert np.array_equal(counted(levels, labels).numpy(), expected)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(counted(levels[order], labels[order]), counted(levels, labels))


@pytest.mark.parametrize("seed", range(4))
def test_gains_are_the_mutual_information_of_class_and_test(seed: int) -> None:
    levels, labels = problem(seed=seed)
    gains = information_gains(counted(levels, labels).numpy())
    for feature in range(5):
        for threshold in range(LEVELS - 1):
            expected = mutual_info_score(labels, levels[:, feature] > threshold) / math.log(2)
            assert gains[feature, threshold] == pytest.approx(expected, abs=1e-8)


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_the_best_split_is_the_best_of_all_and_ahead_of_the_next_feature(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, (4, 5, 3))
    # Every feature counts the same samples.
    for feature in range(1, 4):
        for label in range(3):
            counts[feature, :, label] = rng.permutation(counts[0, :, label])
    counts[0, 0] += 1
    counts[1:, 2] += 1
    gains = information_gains(counts.astype(np.float64))
    ranked = sorted(
        ((-gains[j, t], j, t) for j in range(4) for t in range(4)),
    )
    best = best_split(counts.astype(np.float64))
    assert (-best.gain, best.feature, best.threshold) == ranked[0]
    assert best.next_gain == max(-gain for gain, j, _ in ranked if j != best.feature)


@pytest.mark.parametrize("seed", range(5))
def test_the_first_split_is_scikit_learns_stump(seed: int) -> None:
    levels, labels = problem(seed=seed)
    stump = DecisionTreeClassifier(criterion="entropy", max_depth=1, random_state=0)
    stump.fit(levels.numpy(), labels.numpy())
    tree = StampTree(num_classes=CLASSES, max_leaves=2)
    growth(min_samples=200, delta=0.5).update(tree, levels, labels)
    assert tree.num_leaves == 2
    assert tree.feature_M[0] == stump.tree_.feature[0]
    # scikit-learn's threshold lies between two levels that occur.
    sharp = levels[:, tree.feature_M[0]].numpy() > stump.tree_.threshold[0]
    assert np.array_equal(tree.route(levels.numpy()) == 2, sharp)
    for child, rows in ((1, ~sharp), (2, sharp)):
        count = np.bincount(labels.numpy()[rows], minlength=CLASSES)
        expected = np.log((count + 1) / (count.sum() + CLASSES))
        np.testing.assert_allclose(tree.leaf_logits_MK[child].detach(), expected, rtol=1e-5)
    assert (tree.threshold_M[1:] == 0).all()
    assert (tree.log_temperature_M == 0).all(), "T starts at one level"


def growth(num_features: int = 5, **options: object) -> Growth:
    made = QuantizedDTOptions(**options)  # type: ignore[arg-type]
    return Growth(made, num_features=num_features, num_levels=LEVELS, num_classes=CLASSES)


def test_the_bound_by_hand() -> None:
    assert hoeffding_bound(6000, num_classes=200, delta=1e-7) == pytest.approx(0.28014, abs=5e-6)
    # By the tie rule the root splits at R^2 ln(1 / delta) / (2 tau^2) samples.
    for num_classes, defaults, of_2000 in (
        (12, 177, 41429),
        (20, 258, 60214),
        (50, 440, 102682),
        (200, 807, 188351),
    ):
        for delta, tau, samples in ((1e-3, 0.5, defaults), (1e-7, 0.05, of_2000)):
            assert hoeffding_bound(samples + 1, num_classes=num_classes, delta=delta) < tau
            assert hoeffding_bound(samples - 1, num_classes=num_classes, delta=delta) > tau


def test_a_leaf_splits_above_the_bound_and_not_below_it() -> None:
    levels, labels = problem()
    best = best_split(counted(levels, labels).numpy())
    assert best.feature == 2
    ahead = best.gain - best.next_gain
    # delta at which the bound equals the lead: ln(1 / delta) = 2 N (lead / R)^2
    equal = math.exp(-2 * 200 * (ahead / math.log2(CLASSES)) ** 2)
    for delta, leaves in ((equal * 0.9, 1), (min(equal * 1.1, 0.99), 2)):
        tree = StampTree(num_classes=CLASSES, max_leaves=4)
        growth(delta=delta, tau=0.0).update(tree, levels, labels)
        assert tree.num_leaves == leaves


def test_two_equal_features_split_by_the_tie_rule_alone() -> None:
    levels, labels = problem()
    levels[:, 4] = levels[:, 2]
    for tau, leaves in ((0.0, 1), (0.5, 2)):
        tree = StampTree(num_classes=CLASSES, max_leaves=4)
        growth(delta=0.5, tau=tau).update(tree, levels, labels)
        assert tree.num_leaves == leaves
    assert tree.feature_M[0] == 2, "the lowest of the two"


def test_what_cannot_gain_does_not_split() -> None:
    levels, labels = problem()
    constant = torch.full_like(levels, 3)
    for some_levels, some_labels in ((constant, labels), (levels, torch.zeros_like(labels))):
        tree = StampTree(num_classes=CLASSES, max_leaves=4)
        growth(delta=0.5, tau=9.0).update(tree, some_levels, some_labels)
        assert tree.num_leaves == 1


def test_attempts_wait_for_samples_depth_and_room() -> None:
    levels, labels = problem(400)
    for options, rounds, leaves in (
        ({"min_samples": 401}, 1, 1),
        ({"min_samples": 400}, 1, 2),
        ({"min_samples": 100, "depth": 1}, 4, 2),
        ({"min_samples": 10, "max_leaves": 3}, 4, 3),
        ({"min_samples": 10}, 4, None),
    ):
        tree = StampTree(num_classes=CLASSES, max_leaves=int(options.get("max_leaves", 64)))
        rule = growth(delta=0.5, tau=9.0, **options)
        for _ in range(rounds):
            for part in range(0, 400, 50):
                rule.update(tree, levels[part : part + 50], labels[part : part + 50])
        assert tree.num_leaves == leaves if leaves else tree.num_leaves > 3, options


def test_the_leaves_with_most_errors_stay_active() -> None:
    levels, labels = problem(600, seed=3)
    tree = StampTree(num_classes=CLASSES, max_leaves=16)
    rule = growth(delta=0.5, tau=9.0, min_samples=20, max_active_leaves=2)
    for part in range(0, 600, 30):
        before = tree.num_leaves
        rule.update(tree, levels[part : part + 30], labels[part : part + 30])
        state = rule.state_dict()
        assert len(state["active"]) == min(2, tree.num_leaves)
        if tree.num_leaves > before:
            classes = state["classes"].numpy()
            errors = {leaf: classes[leaf].sum() - classes[leaf].max() for leaf in tree.leaves()}
            ranked = sorted(errors, key=lambda leaf: (-errors[leaf], leaf))
            assert sorted(ranked[:2]) == state["active"]
    assert tree.num_leaves > 3


def test_counts_decay_where_they_are_told_to() -> None:
    levels, labels = problem(40)
    for decay in (1.0, 0.25):
        rule = growth(count_decay=decay)
        rule.update(StampTree(num_classes=CLASSES, max_leaves=2), levels, labels)
        rule.decay()
        (counts,) = rule.state_dict()["counts"]
        assert torch.equal(counts, decay * counted(levels, labels))


def test_gradients_reach_tested_levels_alone_and_are_finite_differences() -> None:
    tree = grown(5)
    levels, labels = problem(6)
    values = levels.double().requires_grad_()
    tree.losses(values, labels, divisor=6)["label"].backward()
    assert values.grad is not None
    tested = {int(tree.feature_M[n]) for n in range(9) if tree.left_M[n] > 0}
    assert 0 < len(tested) < 5
    for feature in range(5):
        assert bool(values.grad[:, feature].any()) == (feature in tested)
    assert torch.autograd.gradcheck(
        lambda x: tree.losses(x, labels, divisor=6)["label"], values.detach().requires_grad_()
    )
    tree.losses(values, labels, divisor=6)["label"].backward()
    inner = tree.left_M > 0
    for parameter, used in (
        (tree.threshold_M, inner),
        (tree.log_temperature_M, inner),
        (tree.leaf_logits_MK, ~inner[:, None].expand(-1, CLASSES)),
    ):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad != 0, used)


def test_the_loss_is_the_mixtures() -> None:
    tree, (levels, labels) = grown(5), problem(6)
    expected = functional.nll_loss(tree(levels.double()).log(), labels)
    found = tree.losses(levels.double(), labels, divisor=6)["label"]
    assert found.item() == pytest.approx(expected.item())


def test_only_leaves_with_room_split() -> None:
    tree = grown(4)
    counts = np.ones(CLASSES)
    for node in (0, 3):
        with pytest.raises(ValueError, match="is no leaf, or all 4 leaves are there"):
            tree.split(node, feature=0, threshold=0, left_K=counts, right_K=counts)


def network(state: TrainState) -> QuantizedDTModel:
    assert isinstance(state.model, QuantizedDTModel)
    return state.model


def test_a_run_grows_and_leaves_its_tests_behind(tmp_path: Path) -> None:
    dataset = striped()
    state, _ = train(config_of("quantized_dt", num_epochs=6), dataset)
    tree = network(state).tree
    assert isinstance(tree, StampTree)
    assert tree.num_leaves > 2
    state.method.write_files(tmp_path)
    nodes = json.loads((tmp_path / "stamps.json").read_text())
    assert len(nodes) == tree.num_leaves - 1
    assert nodes[0]["node"] == 0
    assert nodes[0]["temperature"] != 1, "T is trained"
    assert any(node["threshold"] % 1 for node in nodes), "t is trained"


def test_the_first_batch_of_a_tree_of_one_leaf_moves_that_leaf_alone() -> None:
    """Nothing is tested yet, so no level has a gradient."""
    dataset = striped(num_train=16)
    config = config_of(
        "quantized_dt", num_epochs=1, momentum=0.0, **{"quantized_dt.min_samples": 99}
    )
    trained = start(config, dataset)
    before = {name: p.clone() for name, p in trained.model.named_parameters()}
    (result,) = fit(trained, dataset)
    assert result.losses == {"label": pytest.approx(math.log(4), rel=1e-6)}
    share = np.bincount(dataset.train.labels_N, minlength=4) / 16
    for name, parameter in trained.model.named_parameters():
        expected = before[name]
        if name == "tree.leaf_logits_MK":
            expected = expected.clone()
            expected[0] -= config.learning_rate * (0.25 - torch.from_numpy(share).float())
        torch.testing.assert_close(parameter.detach(), expected.detach(), msg=name)


def test_a_full_tree_reads_levels_between_0_and_1() -> None:
    dataset = striped(num_train=64)
    config = config_of(
        "quantized_dt",
        num_epochs=40,
        **{"quantized_dt.structure": "full", "quantized_dt.depth": 4},
    )
    state, results = train(config, dataset)
    assert results[-1].losses.keys() == {"label", "balance"}
    assert results[-1].losses["label"] < results[0].losses["label"]
    assert results[-1].minival_accuracy > 0.95
    model = network(state).eval()
    outputs = predict_split(model, dataset.test)
    assert outputs.levels_ND is not None
    levels = torch.from_numpy(outputs.levels_ND).float()
    soft = model.tree.soft  # type: ignore[union-attr]
    with torch.no_grad():
        paths = log_paths(15 * soft.tests(levels / 7))[-1]
        expected = soft.leaf_logits_LK.softmax(1)[paths.argmax(1)]
    np.testing.assert_allclose(outputs.probabilities_NK, expected.numpy(), rtol=1e-5)


def test_each_tree_has_its_step_size_and_no_weight_decay() -> None:
    for structure, rate, momentum in (("full", 0.03, 0.6), ("hoeffding", 0.05, 0.9)):
        options = {
            "quantized_dt.structure": structure,
            "quantized_dt.tree_learning_rate": 0.03,
            "quantized_dt.tree_momentum": 0.6,
        }
        state = start(config_of("quantized_dt", weight_decay=0.1, **options), striped())
        *extractor, tree = state.method.optimizers["all"].param_groups
        assert tree["scale"] * 0.05 == pytest.approx(rate)
        assert (tree["momentum"], tree["weight_decay"]) == (momentum, 0)
        assert {(group["momentum"], group["weight_decay"]) for group in extractor} == {(0.9, 0.1)}


def test_a_full_tree_without_its_penalty_has_no_such_loss() -> None:
    options = {"quantized_dt.structure": "full", "quantized_dt.balance_weight": 0.0}
    state, results = train(config_of("quantized_dt", num_epochs=1, **options), striped())
    assert results[0].losses.keys() == {"label"}
    assert network(state).tree.soft.depth == 8  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"depth": 13}, r"`quantized_dt.depth` must lie in \[1, 12\], or be None, but got 13"),
        ({"delta": 0}, r"`quantized_dt.delta` must lie in \(0, 1\), but got 0.0"),
        ({"tau": -1}, "`quantized_dt.tau` must be at least 0"),
        ({"min_samples": 0}, "`quantized_dt.min_samples` must be at least 1"),
        ({"max_leaves": 0}, "`quantized_dt.max_leaves` must be at least 1"),
        ({"max_active_leaves": 0}, "`quantized_dt.max_active_leaves` must be at least 1"),
        ({"count_decay": 1.5}, r"`quantized_dt.count_decay` must lie in \[0, 1\]"),
        ({"inverse_temperature": 0}, "`quantized_dt.inverse_temperature` must be above 0"),
        ({"balance_weight": -1}, "`quantized_dt.balance_weight` must be at least 0"),
        ({"tree_learning_rate": 0}, "`quantized_dt.tree_learning_rate` must be above 0"),
        ({"tree_momentum": 1}, r"`quantized_dt.tree_momentum` must lie in \[0, 1\)"),
        ({"structure": "vfdt"}, "must be one of 'hoeffding', 'full'"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    options = {f"quantized_dt.{name}": value for name, value in values.items()}
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(options)
