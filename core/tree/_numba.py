"""The fast grower: prepares tables for the compiled one.

Shape letters: N samples, B blocks of `BLOCK_WIDTH` features, F features of a block, C columns (the
classes, a one that counts samples, the total of a row, padding), M nodes, K classes.
"""

import numpy as np
import numpy.typing as npt

from core.tree._gain import Criterion, rounding_constant
from core.tree._kernels import BLOCK_WIDTH, Bytes, grow_nodes
from core.tree._nodes import Nodes
from core.tree._samples import Samples

_COLUMNS = 8
"""Columns come in multiples of this, which fills the vectors of compiled loops."""


def grow(samples: Samples, *, max_depth: int, min_gain: float) -> Nodes:
    """Grow a tree breadth-first. See `core.tree.fit_tree` for the rules."""
    num_samples, num_classes = samples.units_NK.shape
    columns_NC = _columns(samples)
    max_nodes = 2 * min(num_samples, 2 ** min(max_depth, 32)) - 1
    nodes = Nodes(
        feature_M=np.zeros(max_nodes, dtype=np.int32),
        threshold_M=np.zeros(max_nodes, dtype=np.int32),
        left_M=np.arange(max_nodes, dtype=np.int32),
        right_M=np.arange(max_nodes, dtype=np.int32),
        num_samples_M=np.empty(max_nodes, dtype=np.int64),
        sums_MK=np.empty((max_nodes, columns_NC.shape[1])),
    )
    nodes.num_samples_M[0] = num_samples
    nodes.sums_MK[0] = columns_NC.sum(axis=0, dtype=np.uint64)
    n = grow_nodes(
        _blocks(samples),
        columns_NC.view(np.uint64),
        samples.levels_ND.shape[1],
        num_classes,
        samples.num_levels,
        max_depth,
        min_gain,
        samples.criterion is Criterion.INFORMATION_GAIN,
        rounding_constant(samples.criterion, num_classes),
        *nodes,
    )
    return Nodes(
        feature_M=nodes.feature_M[:n].copy(),
        threshold_M=nodes.threshold_M[:n].copy(),
        left_M=nodes.left_M[:n].copy(),
        right_M=nodes.right_M[:n].copy(),
        num_samples_M=nodes.num_samples_M[:n].copy(),
        sums_MK=nodes.sums_MK[:n, :num_classes].copy(),
    )


def _columns(samples: Samples) -> npt.NDArray[np.uint32]:
    """What is summed over samples."""
    num_samples, num_classes = samples.units_NK.shape
    width = -(-(num_classes + 2) // _COLUMNS) * _COLUMNS
    columns_NC = np.zeros((num_samples, width), dtype=np.uint32)
    columns_NC[:, :num_classes] = samples.units_NK
    columns_NC[:, num_classes] = 1
    if samples.criterion is Criterion.INFORMATION_GAIN:
        columns_NC[:, num_classes + 1] = samples.units_NK.sum(axis=1)
    return columns_NC


def _blocks(samples: Samples) -> Bytes:
    """Levels by block of features. Features that fill up the last block are 0 everywhere."""
    num_samples, num_features = samples.levels_ND.shape
    num_blocks = -(-num_features // BLOCK_WIDTH)
    levels_NBF = np.zeros((num_samples, num_blocks, BLOCK_WIDTH), dtype=np.uint8)
    levels_NBF.reshape(num_samples, -1)[:, :num_features] = samples.levels_ND
    return np.ascontiguousarray(levels_NBF.transpose(1, 0, 2))
