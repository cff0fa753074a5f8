"""Streams of entries, columns from rows, and sets of rows: what small nodes are made of."""

import itertools

import numpy as np
import pytest

from core.tree import fit_tree
from core.tree.compiled._blocks import (
    ANY_ROW,
    COUNTS,
    ENDS,
    LAST_ENTRIES,
    NO_ROW,
    NUM_VECTORS,
    SQUARES,
    look_at_blocks,
    lowest_bit,
)
from core.tree.compiled._compile import compiled
from core.tree.compiled._lists import ROW_BITS, START, mark_starts
from core.tree.compiled._llvm import LANES
from core.tree.compiled._narrow import MAX_ROWS_OF_STREAM
from core.tree.compiled._sets import (
    MAX_ROWS_OF_SET,
    NUM_SLOTS,
    has_set,
    number_rows,
    put_set,
    set_of_side,
)
from core.tree.compiled._transpose import put_columns

COUNT = 40
CURVE, SCALE, SLACK = 0.5, 2.0**-20, 0.01


@compiled
def walk(entries_E, rows_NC, state_VC, count, gain, lone_row, found_E, counts_E, squares_E):
    """What is found behind each entry, with its count and squares."""
    size = entries_E.size
    i = 0
    while i < size + LANES:
        found = look_at_blocks(
            entries_E.ctypes.data + 4 * i,
            size - i,
            rows_NC.ctypes.data,
            state_VC.ctypes.data,
            count,
            np.float32(1 / count),
            np.float32(CURVE),
            np.float32(SCALE),
            np.float32(SLACK),
            np.float32(gain),
            lone_row,
        )
        i += found >> LANES
        bits = found & (2**LANES - 1)
        while bits != 0:
            lane = lowest_bit(bits)
            bits &= bits - 1
            e = i - 2 * LANES + lane
            found_E[e] = True
            counts_E[e] = state_VC[COUNTS, lane]
            squares_E[e] = state_VC[SQUARES].view(np.float32)[lane]


def make_stream(generator, num_lists, longest):
    """Entries with marked starts, and each one's side as rows, if a level ends behind it."""
    entries, sides = [], []
    for _ in range(num_lists):
        length = int(generator.integers(0, longest + 1))
        rows = generator.permutation(COUNT)[:length]
        ranks = np.sort(generator.integers(0, 6, size=length))
        for i in range(length):
            entries.append(
                (int(ranks[i]) << ROW_BITS + 1) | int(rows[i]) | (START if i == 0 else 0)
            )
            is_end = i == length - 1 or ranks[i] != ranks[i + 1]
            sides.append(rows[: i + 1] if is_end and i + 1 < COUNT else None)
    return np.array(entries, dtype=np.uint32), sides


@pytest.mark.parametrize("longest", [1, 3, 12, COUNT])
@pytest.mark.parametrize("num_lists", [1, 2, 9, 60])
@pytest.mark.parametrize("lone_row", [ANY_ROW, NO_ROW, 7])
@pytest.mark.parametrize("gain", [0.0, 250.0, 1e9])
def test_finds_the_sides_whose_squares_reach_a_bound(longest, num_lists, lone_row, gain):
    generator = np.random.default_rng(longest)
    rows_NC = generator.integers(-1000, 1000, size=(COUNT, LANES), dtype=np.int32)
    num_found = 0
    num_sides = 0
    for _ in range(5):
        entries, sides = make_stream(generator, num_lists, longest)
        if not entries.size:
            continue
        state = np.zeros((NUM_VECTORS, LANES), dtype=np.int32)
        # From other streams something is left everywhere but in `ENDS`.
        state[:LAST_ENTRIES] = generator.integers(0, 1000, size=state[:LAST_ENTRIES].shape)
        state[ENDS] = 0
        last = entries[(entries.size - 1) // LANES * LANES :]
        state[LAST_ENTRIES, : last.size] = last
        found = np.zeros(entries.size, dtype=bool)
        counts, squares = np.zeros(entries.size), np.zeros(entries.size)
        walk(entries, rows_NC, state, COUNT, gain, lone_row, found, counts, squares)
        for e, side in enumerate(sides):
            if side is None or (side.size == 1 and lone_row not in (ANY_ROW, side[0])):
                assert not found[e]
                continue
            num_sides += 1
            total = float((rows_NC[side].sum(axis=0, dtype=np.float64) ** 2).sum())
            q = min(side.size, COUNT - side.size) / COUNT
            top, bottom = (1 - CURVE * q) * (SCALE * total + SLACK), gain * q * (1 - q)
            if abs(top - bottom) > 1e-4 * bottom:
                assert found[e] == (top >= bottom)
            if found[e]:
                num_found += 1
                assert counts[e] == side.size
                np.testing.assert_allclose(squares[e], total, rtol=1e-5)
    if gain == 0.0:
        assert num_found == num_sides
    elif gain == 1e9:
        assert num_found == 0
    elif num_sides > 500:
        assert 0 < num_found < num_sides


def test_marks_where_sides_begin():
    # Above the reference of 8 levels stand those of rank 0 to 4, for it is 2.
    ranks = [[0, 0, 5], [], [6], [1, 4], [3, 3]]
    references = np.array([2, 2, 2, 0, 2], dtype=np.uint8)
    lengths = np.array([len(rank) for rank in ranks], dtype=np.int32)
    entries = np.array([rank << ROW_BITS + 1 for rank in itertools.chain(*ranks)], dtype=np.uint32)
    end = mark_starts(np.concatenate([entries[:1], entries]), 1, lengths, references, 8)
    assert end == entries.size + 1
    marked = entries.copy()
    mark_starts(marked, 0, lengths, references, 8)
    assert ((marked & START) != 0).tolist() == [True, False, True, True, True, False, True, False]
    np.testing.assert_array_equal(marked & ~np.uint32(START), entries)


@pytest.mark.parametrize("num_rows", [1, 15, 16, 17, 100])
@pytest.mark.parametrize(("first", "last"), [(0, 130), (0, 16), (3, 70), (5, 5), (129, 130)])
def test_rows_become_columns(num_rows, first, last):
    generator = np.random.default_rng(num_rows)
    levels = generator.integers(0, 256, size=(num_rows, 130), dtype=np.uint8)
    columns = np.zeros((130, num_rows + 7), dtype=np.uint8)
    put_columns(levels, 4, columns, first, last)
    expected = np.zeros_like(columns)
    expected[first:last, 4 : 4 + num_rows] = levels[:, first:last].T
    np.testing.assert_array_equal(columns, expected)


@compiled
def look_for_sides(rows_N, order_N, size, bits_N2, sets_S2):
    """The set of the first rows, that of the others, and whether it was there before and after."""
    whole = number_rows(rows_N, bits_N2)
    upper = set_of_side(order_N, 0, size, bits_N2, whole)
    lower = set_of_side(order_N, size, rows_N.size, bits_N2, whole)
    was_there = has_set(sets_S2, lower)
    put_set(sets_S2, lower)
    return upper, lower, was_there, has_set(sets_S2, lower)


@pytest.mark.parametrize("count", [2, 63, 64, 65, MAX_ROWS_OF_SET])
def test_both_sides_of_a_split_are_one_set(count):
    generator = np.random.default_rng(count)
    rows = generator.permutation(500)[:count]
    bits = np.zeros((500, 2), dtype=np.uint64)
    split_of_set = {}
    for _ in range(300):
        order = generator.permutation(rows).astype(np.uint32)
        size = int(generator.integers(1, count))
        slots = np.zeros((NUM_SLOTS, 2), dtype=np.uint64)
        upper, lower, was_there, is_there = look_for_sides(rows, order, size, bits, slots)
        assert upper == lower
        assert is_there
        assert not was_there
        sides = frozenset([frozenset(order[:size].tolist()), frozenset(order[size:].tolist())])
        assert split_of_set.setdefault(upper, sides) == sides
    assert len(split_of_set) == len(set(split_of_set.values()))


def test_a_set_is_not_taken_for_another_one_in_its_slot():
    generator = np.random.default_rng(0)
    rows = np.arange(60)
    bits, slots = np.zeros((60, 2), dtype=np.uint64), np.zeros((NUM_SLOTS, 2), dtype=np.uint64)
    seen = set()
    num_known = 0
    for _ in range(3000):
        # Of a few rows, so that some sets come more than once.
        order = np.concatenate([generator.permutation(12), np.arange(12, 60)]).astype(np.uint32)
        upper, _, was_there, _ = look_for_sides(rows, order, 3, bits, slots)
        assert not was_there or upper in seen
        num_known += was_there
        seen.add(upper)
    # There are 220 of them.
    assert 1000 < num_known < 3000 - len(seen)


def test_nodes_of_more_rows_than_a_stream_takes():
    generator = np.random.default_rng(0)
    count = MAX_ROWS_OF_STREAM + 500
    levels = generator.integers(0, 4, size=(count, 2))
    labels = generator.dirichlet(np.ones(3), size=count)
    trees = [
        fit_tree(levels, labels, num_levels=4, max_depth=3, grower=grower)
        for grower in ("compiled", "plain")
    ]
    assert trees[0] == trees[1]
    assert trees[0].depth == 3
