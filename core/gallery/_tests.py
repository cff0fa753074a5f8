"""The tests that a tree makes, by how much each tells of the class.

Shape letters: M nodes, K classes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from core.gallery._stump import Stump
from core.tree import DecisionTree


@dataclass(frozen=True, kw_only=True)
class TreeTest:
    """Whether a feature's level is above a threshold, which one node asks or several."""

    feature: int
    threshold: int
    """The largest level that says no."""

    importance: float
    """Bits about the class; see `tree_tests`."""

    share: float
    """Of the importances of all tests of the tree, in [0, 1]."""

    num_nodes: int
    """How many nodes make this test."""

    def stump(self, num_levels: int) -> Stump:
        """The same test, firing above the threshold."""
        return Stump(feature=self.feature, lowest=self.threshold + 1, highest=num_levels - 1)


def tree_tests(tree: DecisionTree) -> list[TreeTest]:
    """All tests of a tree, the most important first; of equal ones the lower feature, then level.

    A node's gain is the entropy, in bits, of its mean label vector, less those of its two children
    weighted by their shares of its samples. A test's importance is the sum over its nodes of their
    gains, each weighted by the share of the training samples that reach the node. All importances
    add up to what the whole tree tells of the class: the root's entropy less that of the leaves.

    Examples
    --------
    >>> from core.tree import fit_tree
    >>> (test,) = tree_tests(fit_tree(np.array([[0], [3]]), np.eye(2), num_levels=4, max_depth=1))
    >>> test.threshold, test.importance, test.share
    (0, 1.0, 1.0)
    """
    entropy_M = _entropy(tree.value)
    weight_M = tree.num_samples / tree.num_samples[0]
    left_M, right_M = tree.left, tree.right
    gain_M = weight_M * entropy_M
    gain_M -= weight_M[left_M] * entropy_M[left_M] + weight_M[right_M] * entropy_M[right_M]
    found: dict[tuple[int, int], list[float]] = {}
    for node in np.flatnonzero(~tree.is_leaf).tolist():
        place = (int(tree.feature[node]), int(tree.threshold[node]))
        found.setdefault(place, []).append(float(gain_M[node]))
    total = sum(sum(gains) for gains in found.values())
    tests = [
        TreeTest(
            feature=feature,
            threshold=threshold,
            importance=sum(gains),
            share=sum(gains) / total if total > 0 else 0.0,
            num_nodes=len(gains),
        )
        for (feature, threshold), gains in sorted(found.items())
    ]
    return sorted(tests, key=lambda test: -test.importance)


def _entropy(value_MK: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(M,) In bits."""
    entropy_M: npt.NDArray[np.float64] = -xlogy(value_MK, value_MK).sum(axis=1) / np.log(2)
    return entropy_M
