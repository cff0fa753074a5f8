"""Refusals: each says the rule, the value that broke it and the remedy."""

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from core.tree import DecisionTree, draw_tree, fit_tree, to_text

LEVELS = np.array([[0, 1], [3, 2], [1, 1]])
LABELS = np.eye(3)


def fit(levels=LEVELS, labels=LABELS, **options):
    return fit_tree(levels, labels, **{"num_levels": 4, "max_depth": 2, **options})


def changed(array, index, value):
    array = array.astype(float)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_levels": 0}, r"`num_levels` must lie in \[1, 256\], but got 0"),
        ({"num_levels": 257}, r"`num_levels` must lie in \[1, 256\], but got 257"),
        ({"max_depth": -1}, "`max_depth` must be 0 or more, but got -1"),
        ({"min_gain": -0.5}, "`min_gain` must be finite and not negative, but got -0.5"),
        ({"min_gain": np.nan}, "`min_gain` must be finite and not negative, but got nan"),
        ({"criterion": "gini"}, r"must be one of \['information_gain', 'squared_error'\].*'gini'"),
        ({"grower": "cuda"}, r"must be one of \['compiled', 'plain'\], but got 'cuda'"),
    ],
)
def test_settings(options, message):
    with pytest.raises(ConfigError, match=message):
        fit(**options)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (LEVELS.astype(float), "must be an integer array.*float64.*cast levels to uint8"),
        (LEVELS[0], r"shape \(samples, features\).*shape \(2,\)"),
        (LEVELS + 1, r"lie in \[0, 3\] with `num_levels`=4, but reach from 1 to 4.*same number"),
        (LEVELS - 1, r"lie in \[0, 3\] with `num_levels`=4, but reach from -1 to 2"),
        (LEVELS[:2], "one row per sample, but have 2 and 3 rows"),
        (LEVELS[:, :0], r"at least one sample, one feature and one class.*shape \(3, 0\)"),
    ],
)
def test_levels(levels, message):
    with pytest.raises(DataError, match=message):
        fit(levels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 2]), r"floating-point array.*int64.*shape \(3,\).*one-hot rows"),
        (changed(LABELS, (2, 1), np.nan), "finite, but row 2, class 1 is nan: .*diverged"),
        (changed(LABELS, (0, 2), np.inf), "finite, but row 0, class 2 is inf"),
        (changed(LABELS, (1, 0), -0.25), "not be negative.*lowest is -0.25.*'squared_error'"),
        (changed(LABELS, (1, 0), 0.5), "sum to 1 within 0.001.*row 1 sums to 1.5.*softmax"),
    ],
)
def test_labels(labels, message):
    with pytest.raises(DataError, match=message):
        fit(labels=labels)


def test_labels_for_squared_error():
    with pytest.raises(DataError, match=r"lie in \[-1, 1\].*reach from 0 to 2: divide"):
        fit(labels=2 * LABELS, criterion="squared_error")
    fit(labels=-LABELS, criterion="squared_error")


def test_no_samples():
    with pytest.raises(DataError, match="at least one sample"):
        fit(LEVELS[:0], LABELS[:0])


def test_prediction():
    tree = fit()
    with pytest.raises(DataError, match="grown on 2 features, but `levels_ND` has 3 columns"):
        tree.predict(np.zeros((5, 3), dtype=int))
    with pytest.raises(DataError, match=r"Levels must lie in \[0, 3\].*from 0 to 4"):
        tree.predict(np.array([[0, 4]]))
    with pytest.raises(DataError, match="must be an integer array"):
        tree.apply(np.zeros((5, 2)))
    assert tree.predict(np.zeros((0, 2), dtype=int)).shape == (0, 3)


def test_names():
    tree = fit()
    with pytest.raises(DataError, match="`class_names` must name each of the tree's 3, but has 2"):
        to_text(tree, class_names=["a", "b"])
    with pytest.raises(DataError, match="`feature_names` must name each of the tree's 2"):
        to_text(tree, feature_names=["a"])
    with pytest.raises(DataError, match="`class_names` must name each"):
        draw_tree(tree, class_names=["a"])
    with pytest.raises(ConfigError, match="`max_depth` must be at least 1, or None, but got 0"):
        draw_tree(tree, max_depth=0)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("left", [1, 1, 2, 3], "one row per node"),
        ("value", [0.0, 0.0, 0.0], r"`value` has shape \(3,\)"),
        ("left", [0, 1, 2], "numbered breadth-first"),
        ("right", [1, 1, 2], "numbered breadth-first"),
        ("feature", [2, 0, 0], r"Each `feature` of a tree must lie in \[0, 2\).*0 to 2"),
        ("threshold", [4, 0, 0], r"Each `threshold` of a tree must lie in \[0, 4\)"),
    ],
)
def test_stored_trees(entry, value, message):
    stored = fit(max_depth=1).to_dict()
    stored[entry] = value
    with pytest.raises(DataError, match=message):
        DecisionTree.from_dict(stored)


def test_stored_tree_with_a_missing_entry():
    stored = fit().to_dict()
    del stored["value"]
    with pytest.raises(DataError, match=r"A tree is stored as .*'value'.* but got"):
        DecisionTree.from_dict(stored)


def test_trees_cannot_be_changed():
    tree = fit()
    with pytest.raises(ValueError, match="read-only"):
        tree.threshold[0] = 2
