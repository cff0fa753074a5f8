"""What holds for every problem, and for every grower."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_problems import entropy, problems, random_problem

from core.tree import Criterion, _gain, fit_tree
from core.tree._gain import UNIT, share_log_share
from core.tree.compiled import _grower, _threads
from core.tree.compiled._compile import compiled

# The first call compiles.
quick = settings(deadline=None, max_examples=60)
criteria = st.sampled_from(list(Criterion))
depths = st.integers(0, 9)


def fit(problem, **options):
    levels, labels, num_levels = problem
    with np.errstate(all="raise"):
        return fit_tree(levels, labels, num_levels=num_levels, **options)


@quick
@given(problems, criteria, depths, st.sampled_from([0.0, 1e-4, 0.05]))
def test_growers_agree_bit_for_bit(problem, criterion, max_depth, min_gain):
    options = {"criterion": criterion, "max_depth": max_depth, "min_gain": min_gain}
    assert fit(problem, grower="compiled", **options) == fit(problem, grower="plain", **options)


@pytest.mark.parametrize("labels", ["hard", "learnable", "soft"])
@pytest.mark.parametrize("criterion", list(Criterion))
def test_growers_agree_on_more_rows_than_one_portion(criterion, labels):
    problem = random_problem(
        3, num_samples=3000, num_features=13, num_classes=12, bits=4, labels=labels
    )
    options = {"criterion": criterion, "max_depth": 5}
    tree = fit(problem, grower="compiled", **options)
    assert tree == fit(problem, grower="plain", **options)
    assert tree.depth == 5


large_problems = st.builds(
    random_problem,
    st.integers(0, 2**32 - 1),
    num_samples=st.sampled_from([1, 127, 128, 5_000, 30_000]),
    num_features=st.integers(1, 9),
    num_classes=st.sampled_from([1, 2, 15, 16, 70]),
    bits=st.integers(1, 8),
    labels=st.sampled_from(["hard", "learnable", "soft", "sharp", "nearly uniform"]),
)


@settings(deadline=None, max_examples=12)
@given(large_problems, criteria, st.integers(1, 3))
def test_growers_agree_on_many_rows(problem, criterion, max_depth):
    options = {"criterion": criterion, "max_depth": max_depth}
    assert fit(problem, grower="compiled", **options) == fit(problem, grower="plain", **options)


@pytest.fixture
def torch_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("criterion", list(Criterion))
def test_threads_are_those_of_torch_and_make_no_difference(
    criterion, count, torch_threads, monkeypatch
):
    problem = random_problem(
        6, num_samples=3000, num_features=101, num_classes=20, bits=4, labels="sharp"
    )
    expected = fit(problem, grower="plain", criterion=criterion, max_depth=4)
    torch_threads(count)
    seen = set()
    monkeypatch.setattr(
        _grower, "run_all", lambda tasks: (seen.add(len(tasks)), _threads.run_all(tasks))
    )
    assert fit(problem, criterion=criterion, max_depth=4) == expected
    assert seen == {count}


def test_everything_is_compiled_once(torch_threads):
    # Other types of arguments, or arrays of another layout, would cost seconds at their first use.
    small, large = (
        random_problem(
            7, num_samples=count, num_features=50, num_classes=20, bits=4, labels="sharp"
        )
        for count in (30, 3000)
    )
    for count in (1, 2):
        torch_threads(count)
        for criterion in Criterion:
            for problem in (small, large):
                fit(problem, criterion=criterion, max_depth=4)
    for function in (_grower.scan_level, _grower.close_level, _grower.open_visit):
        assert len(function.signatures) == 1


@pytest.mark.slow
def test_memory_at_the_size_of_cub():
    program = """
import resource
import numpy as np
from core.tree import fit_tree
generator = np.random.default_rng(0)
levels = generator.integers(0, 16, size=(5994, 1024), dtype=np.uint8)
labels = generator.dirichlet(np.full(200, 0.05), size=5994).astype(np.float32)
fit_tree(levels[:50], labels[:50], num_levels=16, max_depth=8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(fit_tree(levels, labels, num_levels=16, max_depth=8).num_leaves)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(printed[0]) > 100
    # Of MB, beside the input. No feature has a frequent level here, so that lists are longest.
    assert float(printed[1]) < 500


@quick
@given(problems, criteria, depths, st.sampled_from(["compiled", "plain"]), st.randoms())
def test_order_of_rows_makes_no_difference(problem, criterion, max_depth, grower, random):
    levels, labels, num_levels = problem
    order = list(range(len(levels)))
    random.shuffle(order)
    options = {"criterion": criterion, "max_depth": max_depth, "grower": grower}
    assert fit(problem, **options) == fit((levels[order], labels[order], num_levels), **options)


@quick
@given(problems, criteria, depths)
def test_duplicated_features_are_never_used(problem, criterion, max_depth):
    levels, labels, num_levels = problem
    tree = fit(problem, criterion=criterion, max_depth=max_depth)
    doubled = fit(
        (np.tile(levels, (1, 2)), labels, num_levels), criterion=criterion, max_depth=max_depth
    )
    np.testing.assert_array_equal(doubled.feature, tree.feature)
    assert doubled.used_features.tolist() == tree.used_features.tolist()


@quick
@given(problems, criteria, depths)
def test_nodes_hold_the_means_of_their_rows(problem, criterion, max_depth):
    levels, labels, _ = problem
    tree = fit(problem, criterion=criterion, max_depth=max_depth)
    leaves = tree.apply(levels)
    assert tree.depth <= max_depth
    assert tree.num_leaves == tree.is_leaf.sum() == (tree.num_nodes + 1) // 2
    assert tree.is_leaf[leaves].all()
    assert set(leaves) == set(np.flatnonzero(tree.is_leaf))
    for leaf in np.unique(leaves):
        assert tree.num_samples[leaf] == (leaves == leaf).sum()
        np.testing.assert_allclose(tree.value[leaf], labels[leaves == leaf].mean(0), atol=1e-6)
    inner = ~tree.is_leaf
    children = tree.num_samples[tree.left[inner]] + tree.num_samples[tree.right[inner]]
    np.testing.assert_array_equal(children, tree.num_samples[inner])


@quick
@given(problems, depths, st.integers(0, 2**32 - 1))
def test_predictions_are_on_the_simplex(problem, max_depth, seed):
    levels, _, num_levels = problem
    tree = fit(problem, max_depth=max_depth)
    unseen = np.random.default_rng(seed).integers(0, num_levels, size=(50, levels.shape[1]))
    predictions = tree.predict(unseen)
    assert (predictions >= 0).all()
    np.testing.assert_allclose(predictions.sum(axis=1), 1, rtol=1e-12)


@quick
@given(problems, st.sampled_from(["compiled", "plain"]))
def test_each_split_is_the_best_by_brute_force(problem, grower):
    levels, labels, num_levels = problem
    tree = fit(problem, max_depth=1, grower=grower)

    def gain(goes_left):
        parts = [labels[goes_left], labels[~goes_left]]
        if not all(map(len, parts)):
            return 0.0
        left = sum(len(part) * entropy(part.mean(axis=0)) for part in parts) / len(labels)
        return entropy(labels.mean(axis=0)) - left

    best = max(gain(column <= t) for column in levels.T for t in range(num_levels - 1))
    if tree.num_leaves == 1:
        assert best < 1e-9
    else:
        assert gain(levels[:, tree.feature[0]] <= tree.threshold[0]) > best - 1e-6


def test_single_precision_labels():
    levels, labels, num_levels = random_problem(
        0, num_samples=200, num_features=6, num_classes=30, bits=4, labels="soft"
    )
    # Their rows are off 1 by rounding; T sees such labels in training.
    problem = levels, labels.astype(np.float32), num_levels
    tree = fit(problem, max_depth=6)
    assert tree == fit(problem, max_depth=6, grower="plain")
    np.testing.assert_allclose(tree.predict(levels).sum(axis=1), 1, rtol=1e-12)


def test_logarithm_is_exact_enough_and_the_same_when_compiled():
    shares = np.concatenate(
        [
            [0.0, 1.0, 0.5, 0.25, np.nextafter(1, 0), np.sqrt(0.5), UNIT * 2.0**-28],
            np.random.default_rng(0).random(10_000),
            2.0 ** -np.random.default_rng(1).uniform(0, 52, size=10_000),
        ]
    )
    with np.errstate(all="raise"):
        ours = share_log_share(shares)
    assert ours[:4].tolist() == [0, 0, -0.5, -0.5]
    np.testing.assert_allclose(ours[1:], shares[1:] * np.log2(shares[1:]), rtol=1e-15, atol=2e-16)
    function = compiled(share_log_share)
    assert [function(share) for share in shares.tolist()] == ours.tolist()


@pytest.mark.parametrize("num_classes", [2, 9, 200, 3000])
@pytest.mark.parametrize("criterion", list(Criterion))
def test_gains_are_exact_sums(criterion, num_classes, monkeypatch):
    # Before they are rounded to their own grid, they are the same in any order of the classes.
    monkeypatch.setattr(_gain, "GAIN_GRID", 2.0**-60)
    generator = np.random.default_rng(num_classes)
    left = generator.integers(0, 2**30, size=(50, num_classes)).astype(np.float64)
    total = left.max(axis=0) + generator.integers(1, 2**30, size=num_classes)
    counts, count = np.full(50, 100), 4000
    gains = _gain.split_gains(left, counts, total, count, criterion)
    assert len(set(gains)) > 1
    for _ in range(5):
        order = generator.permutation(num_classes)
        again = _gain.split_gains(left[:, order], counts, total[order], count, criterion)
        assert again.tolist() == gains.tolist()


def test_threads_do_not_disturb_each_other():
    many = [
        random_problem(
            seed, num_samples=400, num_features=10, num_classes=5, bits=3, labels="learnable"
        )
        for seed in range(8)
    ]
    alone = [fit(problem, max_depth=6) for problem in many]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda problem: fit(problem, max_depth=6), many)) == alone


def test_a_new_process_grows_the_same_tree():
    program = """
import hashlib
import numpy as np
from core.tree import fit_tree
generator = np.random.default_rng(5)
levels = generator.integers(0, 16, size=(300, 12))
labels = generator.dirichlet(np.ones(7), size=300)
tree = fit_tree(levels, labels, num_levels=16, max_depth=6)
digest = hashlib.sha256(repr(tree.to_dict()).encode()).hexdigest()
"""
    here: dict[str, object] = {"hashlib": hashlib}
    exec(program, here)
    command = [sys.executable, "-c", program + "print(digest)"]
    there = subprocess.run(command, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here["digest"]
