"""A tree that is brought up to date equals the tree that is grown anew, at every step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_problems import problems, random_problem

from core.errors import ConfigError, DataError
from core.tree import Criterion, GrowingTree, fit_tree

quick = settings(deadline=None, max_examples=40)


def growing(problem, **options):
    levels, labels, num_levels = problem
    return GrowingTree(
        num_features=levels.shape[1], num_classes=labels.shape[1], num_levels=num_levels, **options
    )


@quick
@given(
    problems,
    st.sampled_from(list(Criterion)),
    st.integers(0, 9),
    st.sampled_from([0.0, 1e-4, 0.05]),
    st.data(),
)
def test_equals_fit_tree_at_every_step(problem, criterion, max_depth, min_gain, data):
    levels, labels, num_levels = problem
    options = {"criterion": criterion, "max_depth": max_depth, "min_gain": min_gain}
    tree = growing(problem, **options)
    start = 0
    while start < len(levels):
        stop = start + data.draw(st.integers(1, max(1, len(levels) // 5)), label="rows")
        tree.add(levels[start:stop], labels[start:stop])
        if data.draw(st.booleans(), label="ask"):
            expected = fit_tree(
                levels[:stop], labels[:stop], num_levels=num_levels, grower="plain", **options
            )
            assert tree.tree() == expected
        start = stop
    expected = fit_tree(levels, labels, num_levels=num_levels, grower="plain", **options)
    assert tree.tree() == expected
    assert tree.tree() == expected
    assert len(tree) == len(levels)


@pytest.mark.parametrize("criterion", list(Criterion))
@pytest.mark.parametrize("kind", ["learnable", "soft"])
@pytest.mark.parametrize("num_classes", [9, 20])  # larger nodes keep bounds in both cases
def test_equals_fit_tree_over_many_small_steps(criterion, kind, num_classes):
    problem = random_problem(
        4, num_samples=1200, num_features=30, num_classes=num_classes, bits=4, labels=kind
    )
    levels, labels, num_levels = problem
    options = {"criterion": criterion, "max_depth": 7}
    tree = growing(problem, **options)
    for start in range(0, 1200, 16):
        rows = slice(start, start + 16)
        tree.add(levels[rows], labels[rows])
        tree.tree()
        if start % 160 == 0:
            stop = start + 16
            assert tree.tree() == fit_tree(
                levels[:stop], labels[:stop], num_levels=num_levels, **options
            )
    assert tree.tree() == fit_tree(levels, labels, num_levels=num_levels, grower="plain", **options)


def test_a_deep_chain_of_larger_nodes():
    # Each split parts a single row from all others, so every level has a node of nearly all rows,
    # which is more of them than there is room for bounds.
    num_rows, num_features = 300, 200
    levels = np.zeros((num_rows, num_features), dtype=int)
    levels[np.arange(num_features), np.arange(num_features)] = 1
    labels = np.eye(num_features + 1)[np.minimum(np.arange(num_rows), num_features)]
    order = np.random.default_rng(0).permutation(num_rows)
    levels, labels = levels[order], labels[order]
    options = {"max_depth": 250}
    tree = growing((levels, labels, 2), **options)
    for start in range(0, num_rows, 25):
        tree.add(levels[start : start + 25], labels[start : start + 25])
        stop = start + 25
        assert tree.tree() == fit_tree(levels[:stop], labels[:stop], num_levels=2, **options)
    assert tree.tree().depth == num_features


def test_cleared_it_starts_anew():
    problem = random_problem(
        1, num_samples=100, num_features=5, num_classes=3, bits=2, labels="sharp"
    )
    levels, labels, num_levels = problem
    tree = growing(problem, max_depth=4)
    tree.add(levels[:60], labels[:60])
    tree.tree()
    tree.clear()
    assert len(tree) == 0
    tree.add(levels[60:], labels[60:])
    assert tree.tree() == fit_tree(levels[60:], labels[60:], num_levels=num_levels, max_depth=4)


def test_a_tree_that_was_handed_out_does_not_change():
    problem = random_problem(
        2, num_samples=80, num_features=5, num_classes=3, bits=2, labels="learnable"
    )
    levels, labels, num_levels = problem
    tree = growing(problem, max_depth=4)
    tree.add(levels[:40], labels[:40])
    before = tree.tree()
    tree.add(levels[40:], labels[40:])
    assert tree.tree() != before
    assert before == fit_tree(levels[:40], labels[:40], num_levels=num_levels, max_depth=4)


def test_what_it_refuses_is_not_taken_in():
    tree = GrowingTree(num_features=2, num_classes=2, num_levels=4, max_depth=2)
    with pytest.raises(DataError, match="none was added yet"):
        tree.tree()
    with pytest.raises(DataError, match="grows on 2 features and 2 classes, but the rows have 3"):
        tree.add(np.zeros((1, 3), int), np.array([[0.5, 0.5]]))
    with pytest.raises(DataError, match="reach from 4 to 4"):
        tree.add(np.full((1, 2), 4), np.array([[0.5, 0.5]]))
    with pytest.raises(DataError, match="must be finite"):
        tree.add(np.zeros((1, 2), int), np.array([[np.nan, 0.5]]))
    assert len(tree) == 0


def test_settings_are_checked_before_any_row():
    with pytest.raises(ConfigError, match="`num_levels` must lie in"):
        GrowingTree(num_features=2, num_classes=2, num_levels=0, max_depth=2)
    with pytest.raises(DataError, match="`num_classes` must be at least 1, but got 0"):
        GrowingTree(num_features=2, num_classes=0, num_levels=4, max_depth=2)
