"""Compiled: histograms of column sums, and the parting of rows.

The column sums of a node at each level of a feature decide its split. Two columns share a 64-bit
word while they are summed: an entry is at most 1.001 * 2^24, so 127 rows stay below 2^31 and never
carry into the neighbour. That halves the additions, which are most of the work.

Shape letters: N samples, B blocks of `BLOCK_WIDTH` features, F features of a block, L levels, C
columns (the classes, a one that counts samples, the total of a row, padding), V words of two
columns each.
"""

import numpy as np
import numpy.typing as npt

from core.tree._compiled import compiled
from core.tree._gain import Floats

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

BLOCK_WIDTH = 8
"""Features of a block: as bytes they fill a word, and each row of labels serves all of them."""

_ROWS_WITHOUT_CARRY = 127


@compiled
def partition(levels_BNF: Bytes, feature: int, threshold: int, rows_N: Rows, right_N: Rows) -> int:
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
def fill_histogram(
    levels_1NF: Bytes,
    words_NV: Words,
    count: int,
    count_column: int,
    packed_FLV: Words,
    used_FL: npt.NDArray[np.bool_],
    histogram_FLC: Floats,
) -> None:
    """Sum columns by feature and level, in portions that do not carry.

    Of a level that no row has, only the column that counts rows is sure to be written.
    """
    if count <= _ROWS_WITHOUT_CARRY:
        _fill_from_few(
            levels_1NF, words_NV, count, count_column, packed_FLV, used_FL, histogram_FLC
        )
        return
    portion = packed_FLV.view(np.int32).reshape(-1)
    sums = histogram_FLC.reshape(-1)
    for start in range(0, count, _ROWS_WITHOUT_CARRY):
        packed_FLV[:] = 0
        stop = min(start + _ROWS_WITHOUT_CARRY, count)
        _add_rows(levels_1NF, words_NV, start, stop, packed_FLV)
        if start == 0:
            for i in range(sums.size):
                sums[i] = portion[i]
        else:
            for i in range(sums.size):
                sums[i] += portion[i]


@compiled
def _fill_from_few(
    levels_1NF: Bytes,
    words_NV: Words,
    count: int,
    count_column: int,
    packed_FLV: Words,
    used_FL: npt.NDArray[np.bool_],
    histogram_FLC: Floats,
) -> None:
    """The same for one portion of rows, which leaves most levels without any."""
    used_FL[:] = False
    for i in range(count):
        for f in range(BLOCK_WIDTH):
            used_FL[f, levels_1NF[0, i, f]] = True
    num_words = packed_FLV.shape[2]
    for f in range(BLOCK_WIDTH):
        for level in range(used_FL.shape[1]):
            if used_FL[f, level]:
                for v in range(num_words):
                    packed_FLV[f, level, v] = 0
    _add_rows(levels_1NF, words_NV, 0, count, packed_FLV)
    portion_FLC = packed_FLV.view(np.int32)
    for f in range(BLOCK_WIDTH):
        for level in range(used_FL.shape[1]):
            if used_FL[f, level]:
                for c in range(2 * num_words):
                    histogram_FLC[f, level, c] = portion_FLC[f, level, c]
            else:
                histogram_FLC[f, level, count_column] = 0.0


@compiled
def _add_rows(levels_1NF: Bytes, words_NV: Words, start: int, stop: int, packed_FLV: Words) -> None:
    for i in range(start, stop):
        # A constant number of turns: the loop is unrolled, a third of the time is saved.
        for f in range(BLOCK_WIDTH):
            level = levels_1NF[0, i, f]
            for v in range(words_NV.shape[1]):
                packed_FLV[f, level, v] += words_NV[i, v]
