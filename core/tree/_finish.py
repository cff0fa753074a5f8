"""From the nodes of a grower to the finished tree.

Shape letters: M nodes, K classes.
"""

import numpy as np
import numpy.typing as npt

from core.tree._gain import UNIT, Criterion
from core.tree._nodes import Nodes
from core.tree._settings import Settings
from core.tree._tree import DecisionTree


def to_tree(nodes: Nodes, settings: Settings, *, num_features: int) -> DecisionTree:
    """The finished tree of a grower's nodes."""
    return DecisionTree(
        feature=nodes.feature_M,
        threshold=nodes.threshold_M,
        left=nodes.left_M,
        right=nodes.right_M,
        value=_means(settings.criterion, nodes.sums_MK, nodes.num_samples_M),
        num_samples=nodes.num_samples_M,
        num_levels=settings.num_levels,
        num_features=num_features,
    )


def _means(
    criterion: Criterion,
    sums_MK: npt.NDArray[np.float64],
    num_samples_M: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Mean label vectors of nodes, from their sums in units.

    Rounding moves the sum of a soft label off 1 by less than a unit per class. Entropies and
    means are those of the rounded labels divided by their sum, so means are on the simplex.
    """
    if criterion is Criterion.INFORMATION_GAIN:
        totals_M1: npt.NDArray[np.float64] = sums_MK.sum(axis=1, keepdims=True)
        return sums_MK / totals_M1
    return 2 * UNIT * sums_MK / num_samples_M[:, None] - 1
