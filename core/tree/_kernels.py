"""Compiled: growing nodes breadth-first on one core.

The column sums of a node at each level of a feature decide its split. Two columns share a 64-bit
word while they are summed: an entry is at most 1.001 * 2^24, so 127 rows stay below 2^31 and never
carry into the neighbour. That halves the additions, which are most of the work.

Shape letters: N samples, B blocks of `BLOCK_WIDTH` features, F features of a block, L levels, C
columns (the classes, a one that counts samples, the total of a row, padding), V words of two
columns each, M nodes.
"""

import numpy as np
import numpy.typing as npt

from core.tree._compiled import compiled
from core.tree._gain import Floats
from core.tree._scan import (
    Work,
    negative_entropy,
    prepare_entropy,
    scan_entropy,
    scan_squared_error,
)

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

BLOCK_WIDTH = 8
"""Features of a block: as bytes they fill a word, and each row of labels serves all of them."""

_ROWS_WITHOUT_CARRY = 127


@compiled
def grow_nodes(
    levels_BNF: Bytes,
    words_NV: Words,
    num_features: int,
    num_classes: int,
    num_levels: int,
    max_depth: int,
    min_gain: float,
    by_entropy: bool,
    rounding: float,
    feature_M: npt.NDArray[np.int32],
    threshold_M: npt.NDArray[np.int32],
    left_M: npt.NDArray[np.int32],
    right_M: npt.NDArray[np.int32],
    num_samples_M: npt.NDArray[np.int64],
    sums_MC: Floats,
) -> int:
    """Fill the arrays of nodes, returns how many there are."""
    num_rows, num_words = words_NV.shape
    order_N = np.arange(num_rows)
    right_N = np.empty(num_rows, dtype=np.int64)
    start_M = np.zeros(feature_M.size, dtype=np.int64)
    depth_M = np.zeros(feature_M.size, dtype=np.int64)
    node_levels_BNF = np.empty_like(levels_BNF)
    node_words_NV = np.empty_like(words_NV)
    packed_FLV = np.empty((levels_BNF.shape[2], num_levels, num_words), dtype=np.uint64)
    histogram_FLC = np.empty((levels_BNF.shape[2], num_levels, 2 * num_words))
    width = sums_MC.shape[1]
    work = (
        np.empty((num_levels + 1, width)),
        np.empty(num_levels, dtype=np.int64),
        np.empty(num_levels),
        np.empty(num_levels),
        np.empty(width),
        np.zeros(width),
        np.empty(width),
        np.empty(width),
    )
    best_left_C = np.empty(width)
    num_nodes = 1
    node = 0
    while node < num_nodes:
        start, count = start_M[node], num_samples_M[node]
        feature, threshold = -1, -1
        if depth_M[node] < max_depth and count > 1:
            rows = order_N[start : start + count]
            _gather(levels_BNF, words_NV, rows, node_levels_BNF, node_words_NV)
            feature, threshold = _best_split(
                node_levels_BNF,
                node_words_NV,
                num_features,
                num_classes,
                sums_MC[node],
                min_gain,
                by_entropy,
                rounding,
                packed_FLV,
                histogram_FLC,
                work,
                best_left_C,
            )
        if feature >= 0:
            num_left = _partition(levels_BNF, feature, threshold, rows, right_N)
            feature_M[node], threshold_M[node] = feature, threshold
            left, right = num_nodes, num_nodes + 1
            left_M[node], right_M[node] = left, right
            start_M[left], start_M[right] = start, start + num_left
            num_samples_M[left], num_samples_M[right] = num_left, count - num_left
            depth_M[left] = depth_M[right] = depth_M[node] + 1
            sums_MC[left] = best_left_C
            sums_MC[right] = sums_MC[node] - best_left_C
            num_nodes += 2
        node += 1
    return num_nodes


@compiled
def _gather(
    levels_BNF: Bytes,
    words_NV: Words,
    rows_N: Rows,
    node_levels_BNF: Bytes,
    node_words_NV: Words,
) -> None:
    """Copy a node's rows to the front of the last two arrays."""
    for i in range(rows_N.size):
        for v in range(words_NV.shape[1]):
            node_words_NV[i, v] = words_NV[rows_N[i], v]
    # One feature of a block is a byte, a whole block is a word.
    packed_BN = levels_BNF.view(np.uint64)
    node_packed_BN = node_levels_BNF.view(np.uint64)
    for block in range(packed_BN.shape[0]):
        for i in range(rows_N.size):
            node_packed_BN[block, i, 0] = packed_BN[block, rows_N[i], 0]


@compiled
def _partition(levels_BNF: Bytes, feature: int, threshold: int, rows_N: Rows, right_N: Rows) -> int:
    """Move the rows that go left to the front, in order. Returns their number."""
    block, f = feature // levels_BNF.shape[2], feature % levels_BNF.shape[2]
    num_left = 0
    num_right = 0
    for i in range(rows_N.size):
        row = rows_N[i]
        if levels_BNF[block, row, f] <= threshold:
            rows_N[num_left] = row
            num_left += 1
        else:
            right_N[num_right] = row
            num_right += 1
    rows_N[num_left:] = right_N[:num_right]
    return num_left


@compiled
def _best_split(
    levels_BNF: Bytes,
    words_NV: Words,
    num_features: int,
    num_classes: int,
    sums_C: Floats,
    min_gain: float,
    by_entropy: bool,
    rounding: float,
    packed_FLV: Words,
    histogram_FLC: Floats,
    work: Work,
    best_left_C: Floats,
) -> tuple[int, int]:
    """Feature and threshold of the best split of a gathered node, or (-1, -1)."""
    best_gain, best_feature, best_threshold = min_gain, -1, -1
    count = int(sums_C[num_classes])
    parent = 0.0
    if by_entropy:
        inverse = 1.0 / sums_C[num_classes + 1]
        parent = negative_entropy(sums_C, num_classes, inverse, rounding, best_left_C)
        if parent == 0.0:
            return -1, -1
        prepare_entropy(sums_C, num_classes, work)
    for block in range(levels_BNF.shape[0]):
        first = block * levels_BNF.shape[2]
        width = min(levels_BNF.shape[2], num_features - first)
        _fill_histogram(levels_BNF, block, words_NV, count, packed_FLV, histogram_FLC)
        if by_entropy:
            best_gain, f, threshold = scan_entropy(
                histogram_FLC,
                width,
                sums_C,
                num_classes,
                parent,
                rounding,
                work,
                best_left_C,
                best_gain,
            )
        else:
            best_gain, f, threshold = scan_squared_error(
                histogram_FLC, width, sums_C, num_classes, rounding, work, best_left_C, best_gain
            )
        if threshold >= 0:
            best_feature, best_threshold = first + f, threshold
    return best_feature, best_threshold


@compiled
def _fill_histogram(
    levels_BNF: Bytes,
    block: int,
    words_NV: Words,
    count: int,
    packed_FLV: Words,
    histogram_FLC: Floats,
) -> None:
    """Sum columns by feature and level, in portions that do not carry."""
    portion = packed_FLV.view(np.int32).reshape(-1)
    sums = histogram_FLC.reshape(-1)
    for start in range(0, count, _ROWS_WITHOUT_CARRY):
        packed_FLV[:] = 0
        stop = min(start + _ROWS_WITHOUT_CARRY, count)
        _add_rows(levels_BNF, block, words_NV, start, stop, packed_FLV)
        if start == 0:
            _copy(portion, sums)
        else:
            _add(portion, sums)


@compiled
def _add_rows(
    levels_BNF: Bytes, block: int, words_NV: Words, start: int, stop: int, packed_FLV: Words
) -> None:
    for i in range(start, stop):
        # A constant number of turns: the loop is unrolled, a third of the time is saved.
        for f in range(BLOCK_WIDTH):
            level = levels_BNF[block, i, f]
            for v in range(words_NV.shape[1]):
                packed_FLV[f, level, v] += words_NV[i, v]


@compiled
def _copy(portion: npt.NDArray[np.int32], sums: Floats) -> None:
    for i in range(sums.size):
        sums[i] = portion[i]


@compiled
def _add(portion: npt.NDArray[np.int32], sums: Floats) -> None:
    for i in range(sums.size):
        sums[i] += portion[i]
