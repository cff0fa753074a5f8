"""Compiled: sides of splits of small nodes as sets of rows.

Many features part a small node alike. A set that was looked at once is not looked at again.

Shape letters: N rows, E room for entries, S slots.
"""

import numpy as np
import numpy.typing as npt

from core.tree.compiled._compile import compiled
from core.tree.compiled._lists import Entries, Rows, as_int, row_of

Bits = npt.NDArray[np.uint64]
Set = tuple[np.uint64, np.uint64]

MAX_ROWS_OF_SET = 128
NUM_SLOTS = 2**8

_BITS_OF_SLOT = 8
_WORD = 64
_ONE = np.uint64(1)
# Odd numbers without a pattern, whose multiples spread well over the upper bits.
_FACTOR_HIGH = np.uint64(0x9E3779B97F4A7C15)
_FACTOR = np.uint64(0xD6E8FEB86659FD93)


@compiled
def number_rows(rows_N: Rows, bits_N2: Bits) -> Set:
    """Give each row of a node a bit of its own. Returns the set of all."""
    low = high = np.uint64(0)
    for n in range(rows_N.size):
        bit = _ONE << np.uint64(n % _WORD)
        row = rows_N[n]
        bits_N2[row, 0] = bit if n < _WORD else np.uint64(0)
        bits_N2[row, 1] = bit if n >= _WORD else np.uint64(0)
        low |= bits_N2[row, 0]
        high |= bits_N2[row, 1]
    return low, high


@compiled
def set_of_side(entries_E: Entries, start: int, stop: int, bits_N2: Bits, whole: Set) -> Set:
    """The side, of two that are parted by these entries, without the node's first row."""
    low = high = np.uint64(0)
    for i in range(start, stop):
        row = np.uint64(row_of(entries_E[i]))
        low |= bits_N2[row, 0]
        high |= bits_N2[row, 1]
    if low & _ONE:
        return low ^ whole[0], high ^ whole[1]
    return low, high


@compiled
def has_set(sets_S2: Bits, rows: Set) -> bool:
    """Whether a set was put there, and no other one in its slot since. Slots are 0 at first."""
    slot = _slot(rows)
    return bool(sets_S2[slot, 0] == rows[0] and sets_S2[slot, 1] == rows[1])


@compiled
def put_set(sets_S2: Bits, rows: Set) -> None:
    """Put a set into its slot."""
    slot = _slot(rows)
    sets_S2[slot, 0], sets_S2[slot, 1] = rows


@compiled
def _slot(rows: Set) -> int:
    mixed = (rows[0] ^ rows[1] * _FACTOR_HIGH) * _FACTOR
    return as_int(mixed >> np.uint64(_WORD - _BITS_OF_SLOT))
