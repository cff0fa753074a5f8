"""Compiled: the rows of a node that are not at a feature's most frequent level, sorted by level.

Features behind a ReLU have most rows at level 0. A list leaves out the rows at one level of its
feature, the reference, and holds the others in the order in which the sides of splits are summed:
first the levels above the reference from the top down, then those below it from the bottom up.
Parted stably, the lists of a node give those of its children, still sorted.

An entry is a row in its lower 24 bits and, above them, the rank of the row's level in that order:
`num_levels - 1 - level` above the reference, `num_levels - 1 - reference + level` below it.

Shape letters: N samples, D features, F features of a slice, L levels, E room for entries.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.tree._compiled import compiled

Bytes = npt.NDArray[np.uint8]
Entries = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

ROW_BITS = 24
ROW_MASK = 2**ROW_BITS - 1

_BITS = np.uint32(ROW_BITS)
_MASK = np.uint32(ROW_MASK)
_TILE = 64


@compiled
def as_int(value: np.integer[Any] | int) -> int:
    """A signed integer: mixed with unsigned ones, numba's become floats."""
    return np.int64(value)  # type: ignore[return-value]


@compiled
def rank_of(entry: np.uint32) -> int:
    """The rank of an entry's level."""
    return np.int64(entry >> _BITS)  # type: ignore[return-value]


@compiled
def row_of(entry: np.uint32) -> int:
    """The row of an entry."""
    return np.int64(entry & _MASK)  # type: ignore[return-value]


@compiled
def level_of(rank: int, reference: int, num_levels: int) -> int:
    """The level of a rank."""
    first_below = num_levels - 1 - reference
    return num_levels - 1 - rank if rank < first_below else rank - first_below


@compiled
def put_columns(levels_ND: Bytes, first_row: int, levels_DN: Bytes, first: int, last: int) -> None:
    """Write rows of levels, for features `first` to `last` - 1, as columns from `first_row` on."""
    num_rows = levels_ND.shape[0]
    # In tiles, so that both tables are walked through in whole cache lines.
    for row in range(0, num_rows, _TILE):
        for feature in range(first, last, _TILE):
            for d in range(feature, min(feature + _TILE, last)):
                for i in range(row, min(row + _TILE, num_rows)):
                    levels_DN[d, first_row + i] = levels_ND[i, d]


@compiled
def find_references(levels_DN: Bytes, num_rows: int, references_D: Bytes, counts_L: Rows) -> None:
    """Take the most frequent level of each feature in the first rows."""
    for d in range(levels_DN.shape[0]):
        counts_L[:] = 0
        for i in range(num_rows):
            counts_L[levels_DN[d, i]] += 1
        references_D[d] = np.argmax(counts_L)


@compiled
def make_list(
    levels_N: Bytes,
    rows_N: Rows,
    reference: int,
    num_levels: int,
    entries_N: Entries,
    unsorted_N: Entries,
    counts_L: Rows,
) -> int:
    """Make the list of some rows by one feature. Returns its length."""
    length = 0
    for i in range(rows_N.size):
        row = rows_N[i]
        level = as_int(levels_N[row])
        # Written in any case, and kept if the next one does not overwrite it: no branch.
        unsorted_N[length] = np.uint32(level << ROW_BITS | row)
        length += level != reference
    counts_L[:] = 0
    for i in range(length):
        counts_L[rank_of(unsorted_N[i])] += 1  # still levels
    place = 0
    for rank in range(num_levels - 1):
        level = level_of(rank, reference, num_levels)
        count = as_int(counts_L[level])
        counts_L[level] = place
        place += count
    for i in range(length):
        level = rank_of(unsorted_N[i])
        rank = num_levels - 1 - level if level > reference else num_levels - 1 - reference + level
        entries_N[counts_L[level]] = np.uint32(rank << ROW_BITS | row_of(unsorted_N[i]))
        counts_L[level] += 1
    return length


@compiled
def part_lists(
    entries_E: Entries,
    start: int,
    lengths_F: Counts,
    goes_left_N: Bytes,
    parted_E: Entries,
    start_left: int,
    left_F: Counts,
    start_right: int,
    right_F: Counts,
) -> None:
    """Part the lists of a node, which stand one after the other, among its children."""
    left = start_left
    right = start_right
    for f in range(lengths_F.size):
        first_left, first_right = left, right
        for i in range(start, start + lengths_F[f]):
            entry = entries_E[i]
            goes_left = as_int(goes_left_N[row_of(entry)])
            # Written in any case, and kept if the next one does not overwrite it: no branch.
            parted_E[left] = entry
            parted_E[right] = entry
            left += goes_left
            right += 1 - goes_left
        start += as_int(lengths_F[f])
        left_F[f] = left - first_left
        right_F[f] = right - first_right


@compiled
def log_sides(
    entries_N: Entries,
    start: int,
    stop: int,
    count: int,
    reference: int,
    sides_L: npt.NDArray[np.float32],
) -> None:
    """For each level, the rows at and below it or those at and above it, whichever are fewer.

    Put down is the logarithm, to the base 2, of one more.
    """
    num_levels = sides_L.size
    first_below = num_levels - 1 - reference
    num_above = 0
    num_beyond = 0  # rows in the list before this level, on its side of the reference
    i = start
    for rank in range(num_levels - 1):
        if rank == first_below:
            num_above, num_beyond = num_beyond, 0
        first = i
        while i < stop and rank_of(entries_N[i]) == rank:
            i += 1
        fewer = min(num_beyond + i - first, count - num_beyond)
        sides_L[level_of(rank, reference, num_levels)] = math.log2(fewer + 1.0)
        num_beyond += i - first
    if reference == 0:
        num_above, num_beyond = num_beyond, 0
    sides_L[reference] = math.log2(count - max(num_above, num_beyond) + 1.0)
