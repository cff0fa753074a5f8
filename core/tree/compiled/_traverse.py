"""Compiled: from levels to leaves.

Shape letters: N samples, D features, M nodes.
"""

import numpy as np
import numpy.typing as npt

from core.tree.compiled._compile import compiled

Indices = npt.NDArray[np.int32]


@compiled
def find_leaves(
    levels_ND: npt.NDArray[np.uint8],
    feature_M: Indices,
    threshold_M: Indices,
    left_M: Indices,
    right_M: Indices,
    leaf_N: npt.NDArray[np.int64],
) -> None:
    """Fill in the leaf that each sample reaches."""
    for i in range(leaf_N.size):
        node = 0
        while left_M[node] != node:
            if levels_ND[i, feature_M[node]] <= threshold_M[node]:
                node = left_M[node]
            else:
                node = right_M[node]
        leaf_N[i] = node
