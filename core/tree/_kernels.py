"""Compiled: histograms of column sums, and the parting of rows.

The column sums of a node at each level of a feature decide its split. Two columns share a 64-bit
word while they are summed: an entry is at most 1.001 * 2^24, so 127 rows stay below 2^31 and never
carry into the neighbour. That halves the additions, which are most of the work. Rows at a feature's
most frequent level, which for features behind a ReLU are most rows, are not added up at all: their
sum is what the others leave of the node's.

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

ROWS_WITHOUT_CARRY = 127

FEW_WORDS = 16
"""Up to so many words a row is added faster than it is found out whether it can be left out."""


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
def count_levels(levels_1NF: Bytes, count: int, counts_FL: Rows, frequent_F: Rows) -> None:
    """Rows at each level of each feature, and each feature's most frequent level."""
    counts_FL[:] = 0
    for i in range(count):
        for f in range(BLOCK_WIDTH):
            counts_FL[f, levels_1NF[0, i, f]] += 1
    for f in range(BLOCK_WIDTH):
        frequent_F[f] = 0
        for level in range(1, counts_FL.shape[1]):
            if counts_FL[f, level] > counts_FL[f, frequent_F[f]]:
                frequent_F[f] = level


@compiled
def sum_few(
    levels_1NF: Bytes,
    words_NV: Words,
    count: int,
    counts_FL: Rows,
    frequent_F: Rows,
    packed_FLV: Words,
) -> None:
    """Sum the words of at most `ROWS_WITHOUT_CARRY` rows by feature and level.

    Levels without rows and the most frequent ones are left as they were.
    """
    for f in range(BLOCK_WIDTH):
        for level in range(counts_FL.shape[1]):
            if counts_FL[f, level] and level != frequent_F[f]:
                for v in range(words_NV.shape[1]):
                    packed_FLV[f, level, v] = 0
    for i in range(count):
        # A constant number of turns: the loop is unrolled, a third of the time is saved.
        for f in range(BLOCK_WIDTH):
            level = levels_1NF[0, i, f]
            if level != frequent_F[f]:
                for v in range(words_NV.shape[1]):
                    packed_FLV[f, level, v] += words_NV[i, v]


@compiled
def sum_many(
    levels_1NF: Bytes,
    words_NV: Words,
    count: int,
    counts_FL: Rows,
    frequent_F: Rows,
    packed_FLV: Words,
    num_packed_FL: Rows,
    histogram_FLC: Floats,
) -> None:
    """Sum the columns of any number of rows by feature and level; skips what `sum_few` does."""
    if words_NV.shape[1] <= FEW_WORDS:
        _sum_in_portions(levels_1NF, words_NV, count, packed_FLV, histogram_FLC)
        return
    portion_FLC = packed_FLV.view(np.int32)
    num_packed_FL[:] = 0
    for f in range(BLOCK_WIDTH):
        for level in range(counts_FL.shape[1]):
            if counts_FL[f, level] and level != frequent_F[f]:
                for v in range(words_NV.shape[1]):
                    packed_FLV[f, level, v] = 0
                for c in range(histogram_FLC.shape[2]):
                    histogram_FLC[f, level, c] = 0.0
    for i in range(count):
        for f in range(BLOCK_WIDTH):
            level = levels_1NF[0, i, f]
            if level != frequent_F[f]:
                if num_packed_FL[f, level] == ROWS_WITHOUT_CARRY:
                    num_packed_FL[f, level] = 0
                    for c in range(histogram_FLC.shape[2]):
                        histogram_FLC[f, level, c] += portion_FLC[f, level, c]
                    for v in range(words_NV.shape[1]):
                        packed_FLV[f, level, v] = 0
                num_packed_FL[f, level] += 1
                for v in range(words_NV.shape[1]):
                    packed_FLV[f, level, v] += words_NV[i, v]
    for f in range(BLOCK_WIDTH):
        for level in range(counts_FL.shape[1]):
            if counts_FL[f, level] and level != frequent_F[f]:
                for c in range(histogram_FLC.shape[2]):
                    histogram_FLC[f, level, c] += portion_FLC[f, level, c]


@compiled
def _sum_in_portions(
    levels_1NF: Bytes, words_NV: Words, count: int, packed_FLV: Words, histogram_FLC: Floats
) -> None:
    portion = packed_FLV.view(np.int32).reshape(-1)
    sums = histogram_FLC.reshape(-1)
    for start in range(0, count, ROWS_WITHOUT_CARRY):
        packed_FLV[:] = 0
        for i in range(start, min(start + ROWS_WITHOUT_CARRY, count)):
            for f in range(BLOCK_WIDTH):
                level = levels_1NF[0, i, f]
                for v in range(words_NV.shape[1]):
                    packed_FLV[f, level, v] += words_NV[i, v]
        if start == 0:
            for i in range(sums.size):
                sums[i] = portion[i]
        else:
            for i in range(sums.size):
                sums[i] += portion[i]
