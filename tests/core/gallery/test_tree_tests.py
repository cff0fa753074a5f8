"""How much a tree's tests tell of the class, and which attributes name them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from core.extractor import AttributeMatch
from core.gallery import named_tests, tree_tests
from core.tree import DecisionTree, fit_tree


def three_classes() -> DecisionTree:
    """Four samples: feature 0 parts two of class 0 from the rest, feature 1 parts the rest."""
    levels = np.array([[0, 0], [0, 0], [3, 0], [3, 3]])
    return fit_tree(levels, np.eye(3)[[0, 0, 1, 2]], num_levels=4, max_depth=2)


def test_importances_by_hand() -> None:
    # The root's entropy is 1.5 bits; its children's are 0 and 1, of half the samples each. The
    # second test takes the 1 bit of that half.
    first, second = tree_tests(three_classes())
    assert (first.feature, first.threshold, first.num_nodes) == (0, 0, 1)
    assert (second.feature, second.threshold, second.num_nodes) == (1, 0, 1)
    assert first.importance == pytest.approx(1.0)
    assert second.importance == pytest.approx(0.5)
    assert (first.share, second.share) == pytest.approx((2 / 3, 1 / 3))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), depth=st.integers(1, 5))
def test_importances_add_up_to_what_the_tree_tells(seed: int, depth: int) -> None:
    rng = np.random.default_rng(seed)
    levels, labels = rng.integers(0, 4, (40, 5)), rng.dirichlet(np.ones(3), 40)
    tree = fit_tree(levels, labels, num_levels=4, max_depth=depth)
    tests = tree_tests(tree)
    left = [
        entropy(tree.value[node], base=2) * tree.num_samples[node] / tree.num_samples[0]
        for node in np.flatnonzero(tree.is_leaf)
    ]
    told = entropy(tree.value[0], base=2) - sum(left)
    assert sum(test.importance for test in tests) == pytest.approx(told)
    assert sum(test.share for test in tests) == pytest.approx(1.0)
    assert sum(test.num_nodes for test in tests) == tree.num_nodes - tree.num_leaves
    importances = [test.importance for test in tests]
    assert importances == sorted(importances, reverse=True)


def test_a_tree_of_one_leaf_makes_no_test() -> None:
    tree = fit_tree(np.array([[0], [0]]), np.eye(2), num_levels=4, max_depth=1)
    assert tree_tests(tree) == []
    assert named_tests(tree) == []


def match(
    level: int, *, feature: int = 0, polarity: bool = True, f1: float = 0.8
) -> AttributeMatch:
    return AttributeMatch(
        attribute=f"{level} {polarity}",
        feature=feature,
        level=level,
        polarity=polarity,
        f1=f1,
        heldout_f1=None,
        floor=0.4,
    )


@pytest.mark.parametrize(
    ("matches", "name", "low", "high"),
    [
        ([], None, None, None),
        ([match(3)], "3 True", False, None),  # level 3 is one of those above 0
        ([match(0)], "0 True", True, False),  # level 0 alone is below
        ([match(0, polarity=False)], "0 False", False, True),
        ([match(3), match(0, f1=0.6)], "0 True", True, False),  # decided on both sides
        ([match(3, f1=0.5), match(2, f1=0.6)], "2 True", False, None),
        ([match(3, f1=0.3)], None, None, None),  # no better than a constant
        ([match(0, feature=1)], None, None, None),
    ],
)
def test_names_by_hand(
    matches: list[AttributeMatch], name: str | None, low: bool | None, high: bool | None
) -> None:
    root = named_tests(three_classes(), matches)[0]
    assert (root.node, root.feature, root.threshold) == (0, 0, 0)
    assert (root.match and root.match.attribute) == name
    assert (root.low_holds, root.high_holds) == (low, high)


def test_a_range_that_the_path_has_cut_decides_more() -> None:
    # The second test of feature 0 sees levels 1 to 3 alone, so its lower side is level 1.
    levels = np.array([[0], [0], [0], [1], [3]])
    tree = fit_tree(levels, np.eye(3)[[0, 0, 0, 1, 2]], num_levels=4, max_depth=2)
    root, below = named_tests(tree, [match(1)])
    assert (root.threshold, below.threshold) == (0, 1)
    assert (root.low_holds, root.high_holds) == (False, None)
    assert (below.low_holds, below.high_holds) == (True, False)
