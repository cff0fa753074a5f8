"""Compiled: the rows of a node that are not at a feature's most frequent level, sorted by level.

Features behind a ReLU have most rows at level 0. A list leaves out the rows at one level of its
feature, the reference, and holds the others in the order in which the sides of splits are summed:
first the levels above the reference from the top down, then those below it from the bottom up.
Parted stably, the lists of a node give those of its children, still sorted.

An entry is a row in its lower 23 bits and, in its upper 8, the rank of the row's level in that
order: `num_levels - 1 - level` above the reference, `num_levels - 1 - reference + level` below it.
The bit between them is for `mark_starts`.

Shape letters: N samples, D features, F features of a slice, L levels, E room for entries.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from core.tree.compiled._compile import compiled

Bytes = npt.NDArray[np.uint8]
Entries = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int32]

ROW_BITS = 23
ROW_MASK = 2**ROW_BITS - 1
START = 2**ROW_BITS
"""Set in the first entry of a side, once `mark_starts` has been there."""
_RANK_SHIFT = ROW_BITS + 1

_BITS = np.uint32(_RANK_SHIFT)
_MASK = np.uint32(ROW_MASK)
_START = np.uint32(START)


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
def find_references(
    levels_DN: Bytes, num_rows: int, num_levels: int, references_D: Bytes, first: int, last: int
) -> None:
    """Take the most frequent level of features `first` to `last` - 1 in the first rows."""
    # Counted in four places in turn: additions to the same one would wait for each other.
    counts_4L = np.empty((4, num_levels), dtype=np.int64)
    whole = num_rows // 4 * 4
    for d in range(first, last):
        counts_4L[:] = 0
        for i in range(0, whole, 4):
            for k in range(4):
                counts_4L[k, levels_DN[d, i + k]] += 1
        for i in range(whole, num_rows):
            counts_4L[0, levels_DN[d, i]] += 1
        references_D[d] = np.argmax(counts_4L.sum(axis=0))


@compiled
def make_list(
    levels_N: Bytes,
    rows_N: Rows,
    reference: int,
    num_levels: int,
    entries_N: Entries,
    unsorted_N: Entries,
    places_2L: Rows,
    lengths_N: Counts,
) -> int:
    """Make the list of some rows by one feature. Returns its length.

    Adds 1 to `lengths_N` of each row in it. `unsorted_N` and `places_2L` are room for its work.
    """
    # Unsigned, for numba looks whether a signed index is negative.
    length = np.uint64(0)
    left_out = np.uint8(reference)
    for i in range(rows_N.size):
        row = np.uint64(rows_N[i])
        level = levels_N[row]
        # Written in any case, and kept if the next one does not overwrite it: no branch.
        unsorted_N[length] = np.uint32(level) << _BITS | np.uint32(row)
        length += np.uint64(level != left_out)
    places_L, ranks_L = places_2L
    places_L[:] = 0
    for i in range(as_int(length)):
        places_L[np.uint64(unsorted_N[i] >> _BITS)] += 1
    place = 0
    for rank in range(num_levels - 1):
        level = level_of(rank, reference, num_levels)
        count = as_int(places_L[level])
        places_L[level] = place
        ranks_L[level] = rank << _RANK_SHIFT
        place += count
    for i in range(as_int(length)):
        level = np.uint64(unsorted_N[i] >> _BITS)
        row = unsorted_N[i] & _MASK
        entries_N[np.uint64(places_L[level])] = np.uint32(ranks_L[level]) | row
        places_L[level] += 1
        lengths_N[np.uint64(row)] += 1
    return as_int(length)


@compiled
def mark_starts(
    entries_E: Entries,
    start: int,
    lengths_F: Counts,
    references_F: Bytes,
    num_levels: int,
) -> int:
    """Set `START` in the first entries of sides in lists one after the other. Returns their end.

    An entry that has it is the first one too in lists that are parted from these.
    """
    for f in range(lengths_F.size):
        stop = start + as_int(lengths_F[f])
        if start == stop:
            continue
        entries_E[start] |= _START
        reference = as_int(references_F[f])
        if reference > 0:
            first_below = num_levels - 1 - reference
            while start < stop and rank_of(entries_E[start]) < first_below:
                start += 1
            if start < stop:
                entries_E[start] |= _START
        start = stop
    return start


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
    # Unsigned, for numba looks whether a signed index is negative.
    one = np.uint64(1)
    i, left, right = np.uint64(start), np.uint64(start_left), np.uint64(start_right)
    for f in range(lengths_F.size):
        first_left, first_right = left, right
        stop = i + np.uint64(lengths_F[f])
        while i < stop:
            entry = entries_E[i]
            goes_left = np.uint64(goes_left_N[np.uint64(entry & _MASK)])
            # Written in any case, and kept if the next one does not overwrite it: no branch.
            parted_E[left] = entry
            parted_E[right] = entry
            left += goes_left
            right += one - goes_left
            i += one
        left_F[f] = np.int64(left - first_left)
        right_F[f] = np.int64(right - first_right)


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
