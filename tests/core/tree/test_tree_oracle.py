"""scikit-learn's regression trees grow the same trees where neither has ties.

For rows on the simplex the decrease of Poisson deviance is the information gain. scikit-learn
refuses splits that leave a class without mass on one side, hence the 1e-12.
"""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor
from tree_problems import entropy

from core.tree import fit_tree

EPSILON = 1e-12
ORACLES = {"information_gain": "poisson", "squared_error": "squared_error"}


def impurity_decrease(levels, labels, leaves, criterion):
    """Total decrease from the root to the leaves, from the labels themselves."""

    def impurity(rows):
        if criterion == "information_gain":
            return entropy(rows.mean(axis=0))
        return rows.var(axis=0).sum()

    parts = [labels[leaves == leaf] for leaf in np.unique(leaves)]
    left = sum(len(part) * impurity(part) for part in parts) / len(labels)
    return impurity(labels) - left


def soft_problem(seed):
    generator = np.random.default_rng(seed)
    num_samples, num_features, num_classes = generator.integers([20, 2, 2], [200, 8, 12])
    num_levels = 2 ** int(generator.integers(1, 6))
    levels = generator.integers(0, num_levels, size=(num_samples, num_features))
    logits = generator.normal(size=(num_features, num_classes)).T @ levels.T / num_levels
    labels = np.exp(2 * logits.T + generator.normal(size=(num_samples, num_classes)))
    return levels, labels / labels.sum(axis=1, keepdims=True), num_levels


@pytest.mark.parametrize("criterion", list(ORACLES))
@pytest.mark.parametrize("seed", range(15))
def test_soft_labels(criterion, seed):
    levels, labels, num_levels = soft_problem(seed)
    tree = fit_tree(levels, labels, num_levels=num_levels, max_depth=5, criterion=criterion)
    oracle = DecisionTreeRegressor(criterion=ORACLES[criterion], max_depth=5, random_state=0)
    oracle.fit(levels, labels + EPSILON)
    assert tree.num_leaves == oracle.get_n_leaves() > 1
    np.testing.assert_allclose(tree.predict(levels), oracle.predict(levels), atol=1e-6)
    ours = impurity_decrease(levels, labels, tree.apply(levels), criterion)
    theirs = impurity_decrease(levels, labels, oracle.apply(levels), criterion)
    assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("criterion", list(ORACLES))
@pytest.mark.parametrize("seed", range(15))
def test_best_first_split_of_one_hot_labels(criterion, seed):
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 8, size=(60, 5))
    labels = np.eye(4)[generator.integers(0, 4, size=60)]
    tree = fit_tree(levels, labels, num_levels=8, max_depth=1, criterion=criterion)
    oracle = DecisionTreeRegressor(criterion=ORACLES[criterion], max_depth=1, random_state=seed)
    oracle.fit(levels, labels + EPSILON)
    # Ties may part the samples otherwise, but never for a smaller gain.
    ours = impurity_decrease(levels, labels, tree.apply(levels), criterion)
    theirs = impurity_decrease(levels, labels, oracle.apply(levels), criterion)
    assert ours == pytest.approx(theirs, abs=1e-9)
    assert ours > 0


def test_signed_labels_by_squared_error():
    levels, labels, num_levels = soft_problem(99)
    signed = 2 * labels - 1
    options = {"num_levels": num_levels, "max_depth": 4, "criterion": "squared_error"}
    tree = fit_tree(levels, signed, **options)
    oracle = DecisionTreeRegressor(max_depth=4, random_state=0).fit(levels, signed)
    np.testing.assert_allclose(tree.predict(levels), oracle.predict(levels), atol=1e-6)
