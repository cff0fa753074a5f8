"""Sixteen entries of lists at a time: behind which of them does a split stand that may be the best?

Written in LLVM's vector instructions, as `_vectors` is, for tables whose columns fill one
vector. Nothing in here branches on the data but where such splits are found, so that short lists
cost no more than long ones.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types

from core.tree.compiled._lists import ROW_MASK, START
from core.tree.compiled._llvm import (
    FLOATS,
    INT,
    INT32,
    INTS,
    LANES,
    Builder,
    Value,
    constants,
    fused,
    integers,
    intrinsic,
    splat,
    store_at,
    vector_at,
)

# The vectors of a stream's state.
COUNTS = 0
"""int32: how many entries the sum up to each entry has, in the block that was found."""
SQUARES = 1
"""float32: the sum of the squares of that sum."""
SUMS = 2
"""int32: the sum up to the last entry of the block behind it, which is waiting."""
WAITING_COUNTS = 3
ENDS = 4
"""int32: not 0 where a split may stand, in the waiting block. All 0: there is none."""
_PARTS = 5
_KEEPS = 9
_KEEPS_OF_PAIRS = 10
LAST_ENTRIES = 11
"""uint32: the entries of the last block, from 1 to 16, and zeros behind them: three vectors."""
NUM_VECTORS = 14

ANY_ROW = -1
NO_ROW = -2

_NUM_PARTS = 4
_BYTES_OF_VECTOR = 4 * LANES


@intrinsic
def look_at_blocks(
    typing_context: Any,
    entries: Any,
    remaining: Any,
    rows: Any,
    state: Any,
    count: Any,
    inverse: Any,
    curve: Any,
    scale: Any,
    slack: Any,
    gain: Any,
    lone_row: Any,
) -> Any:
    """Add up the rows of entries, block by block, until there may be a good split in one.

    With S the sum of the squares of the sum so far, n the entries in it, and q the smaller one of n
    and `count` - n, times `inverse`, one may stand behind the last entry of a level where
    `(1 - curve q) (scale S + slack) >= gain q (1 - q)`, n is less than `count` and, if it is 1, the
    row is `lone_row`.

    What is found in a block is known once the next one has been added up: processors then need not
    wait. So a stream begins without a waiting block, and ends with one that lies behind its end.

    Returns 2^16 times the entries that were added up, an int64, plus 2^i for each entry i of the
    block before the last one behind which there may be a good split.

    Parameters
    ----------
    entries
        Address of the next one, a uint32. Sums start anew where they have the bit `START`, as the
        first one of a stream must. The last block, which may have fewer, is read from
        `LAST_ENTRIES` instead.
    remaining
        How many there are from there on, an int64.
    rows
        Address of int32 vectors, one a row.
    state
        Address of `NUM_VECTORS` vectors, which stay as they are from call to call.
    count, inverse, curve, scale, slack, gain
        int32 and float32.
    lone_row
        int32: a row, or `ANY_ROW`, or `NO_ROW`.
    """
    signature = types.int64(*[types.int64] * 4, types.int32, *[types.float32] * 5, types.int32)

    def generate(_: Any, builder: Builder, __: Any, arguments: list[Value]) -> Value:
        entries, remaining, rows, state, count, *singles, lone_row = arguments
        inverse, curve, scale, slack, gain = (splat(builder, single) for single in singles)
        count, lone_row = splat(builder, count), splat(builder, lone_row)

        kinds = [INTS, INTS, INTS] + [FLOATS] * _NUM_PARTS
        places = [SUMS, WAITING_COUNTS, ENDS, *range(_PARTS, _PARTS + _NUM_PARTS)]
        carried = [
            vector_at(builder, state, ir.Constant(INT, place), kind)
            for place, kind in zip(places, kinds, strict=True)
        ]
        carried[2] = builder.icmp_signed("!=", carried[2], integers(0))

        before = builder.block
        loop = builder.append_basic_block("block")
        after = builder.append_basic_block("after_blocks")
        builder.branch(loop)
        builder.position_at_end(loop)
        passed = builder.phi(INT)
        passed.add_incoming(ir.Constant(INT, 0), before)
        phis = [builder.phi(value.type) for value in carried]
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value, before)
        sums, counts, ends, *parts = phis

        block = _Block(builder, entries, remaining, passed, state)
        new_counts = block.counts(counts)
        new_ends = block.ends(new_counts, count, lone_row)
        new_sums, new_parts = block.add_up(sums, rows)

        squares = _add_lanes(builder, parts, 2, 3)
        bits = _where_good(
            builder, squares, counts, ends, (count, inverse, curve, scale, slack, gain)
        )
        following = builder.add(passed, ir.Constant(INT, LANES))
        passed.add_incoming(following, loop)
        for phi, value in zip(phis, [new_sums, new_counts, new_ends, *new_parts], strict=True):
            phi.add_incoming(value, loop)
        is_found = builder.icmp_unsigned("!=", bits, ir.Constant(INT, 0))
        is_behind = builder.icmp_signed(">=", passed, remaining)
        builder.cbranch(builder.or_(is_found, is_behind), after, loop)

        builder.position_at_end(after)
        new_ends = builder.sext(new_ends, INTS)
        for place, value in zip(
            [COUNTS, SQUARES, *places],
            [counts, squares, new_sums, new_counts, new_ends, *new_parts],
            strict=True,
        ):
            store_at(builder, value, state, ir.Constant(INT, place))
        return builder.or_(builder.shl(following, ir.Constant(INT, LANES)), bits)

    return signature, generate


@intrinsic
def lowest_bit(typing_context: Any, bits: Any) -> Any:
    """The index of the lowest bit that is set in an int64; one must be."""

    def generate(_: Any, builder: Builder, __: Any, arguments: list[Value]) -> Value:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


class _Block:
    """The entries of one block."""

    def __init__(
        self, builder: Builder, entries: Value, remaining: Value, passed: Value, state: Value
    ) -> None:
        self._builder = builder
        self._state = state
        zero, next_one = ir.Constant(INT, 0), ir.Constant(INT, 4)
        left = builder.sub(remaining, passed)
        block = ir.Constant(INT, LANES)
        # So nothing is read behind the last entry, and no row is looked up that is not there.
        last = builder.add(state, ir.Constant(INT, LAST_ENTRIES * _BYTES_OF_VECTOR))
        behind = builder.add(last, ir.Constant(INT, _BYTES_OF_VECTOR))
        entries = builder.add(entries, builder.shl(passed, ir.Constant(INT, 2)))
        entries = builder.select(builder.icmp_signed("<=", left, block), last, entries)
        entries = builder.select(builder.icmp_signed("<=", left, zero), behind, entries)
        self._entries = entries
        self._here = vector_at(builder, entries, zero, INTS)
        self._following = vector_at(builder, builder.add(entries, next_one), zero, INTS)
        self._lanes = ir.Constant(INTS, list(range(LANES)))
        most = ir.Constant(INT, LANES + 1)
        left = builder.select(builder.icmp_signed("<", left, most), left, most)
        self._left = splat(builder, builder.trunc(left, INT32))
        self._is_there = builder.icmp_signed("<", self._lanes, self._left)
        self._starts = self._has_start(self._here)

    def counts(self, counts_before: Value) -> Value:
        """How many entries the sum up to each one has."""
        builder = self._builder
        # The lane of the last start; before the first one it is a lane of earlier blocks.
        last = builder.extract_element(counts_before, ir.Constant(INT32, LANES - 1))
        earlier = builder.sub(integers(0), splat(builder, last))
        last_start = builder.select(self._starts, self._lanes, earlier)
        for distance in (1, 2, 4, 8):
            moved = self._moved(last_start, distance)
            is_later = builder.icmp_signed(">", moved, last_start)
            last_start = builder.select(is_later, moved, last_start)
        return builder.sub(builder.add(self._lanes, integers(1)), last_start)

    def ends(self, counts: Value, count: Value, lone_row: Value) -> Value:
        """Whether a split of both sides may stand behind each entry."""
        builder = self._builder
        change = builder.xor(self._here, self._following)
        is_end = builder.icmp_unsigned(">", change, integers(START | ROW_MASK))
        is_end = builder.or_(is_end, self._has_start(self._following))
        last = builder.sub(self._left, integers(1))
        is_end = builder.or_(is_end, builder.icmp_signed("==", self._lanes, last))
        row = builder.and_(self._here, integers(ROW_MASK))
        may_be_lone = builder.or_(
            builder.icmp_signed("==", row, lone_row),
            builder.icmp_signed("==", lone_row, integers(ANY_ROW)),
        )
        may_be_lone = builder.or_(may_be_lone, builder.icmp_signed("!=", counts, integers(1)))
        is_end = builder.and_(is_end, may_be_lone)
        is_end = builder.and_(is_end, builder.icmp_signed("<", counts, count))
        return builder.and_(is_end, self._is_there)

    def add_up(self, sums: Value, rows: Value) -> tuple[Value, list[Value]]:
        """The sum up to the last entry, and the sums of squares as four parts of each."""
        builder = self._builder
        keeps = builder.select(self._starts, integers(0), integers(-1))
        self._keep(keeps, _KEEPS)
        # Added in pairs, every other sum waits for one addition instead of two.
        self._keep(builder.and_(keeps, self._moved(keeps, 1)), _KEEPS_OF_PAIRS)
        squares = []
        for lane in range(0, LANES, 2):
            row_1, row_2 = (self._row(rows, lane), self._row(rows, lane + 1))
            pair = builder.add(builder.and_(row_1, self._kept(_KEEPS, lane + 1)), row_2)
            middle = builder.add(builder.and_(sums, self._kept(_KEEPS, lane)), row_1)
            sums = builder.add(builder.and_(sums, self._kept(_KEEPS_OF_PAIRS, lane + 1)), pair)
            for sums_here in (middle, sums):
                values = builder.sitofp(sums_here, FLOATS)
                squares.append(builder.fmul(values, values))
        groups = [squares[first : first + 4] for first in range(0, LANES, 4)]
        return sums, [_add_lanes(builder, group, 0, 1) for group in groups]

    def _has_start(self, entries: Value) -> Value:
        flags = self._builder.and_(entries, integers(START))
        return self._builder.icmp_unsigned("!=", flags, integers(0))

    def _moved(self, vector: Value, distance: int) -> Value:
        lanes = [max(lane - distance, 0) for lane in range(LANES)]
        return self._builder.shuffle_vector(vector, vector, ir.Constant(INTS, lanes))

    def _keep(self, vector: Value, place: int) -> None:
        store_at(self._builder, vector, self._state, ir.Constant(INT, place))

    def _kept(self, place: int, lane: int) -> Value:
        word = self._builder.load(self._word(self._state, place * LANES + lane))
        return splat(self._builder, word)

    def _row(self, rows: Value, lane: int) -> Value:
        builder = self._builder
        # Read once more, which is faster than to take the vector apart.
        entry = builder.load(self._word(self._entries, lane))
        row = builder.zext(builder.and_(entry, ir.Constant(INT32, ROW_MASK)), INT)
        return vector_at(builder, rows, row, INTS)

    def _word(self, address: Value, index: int) -> Value:
        words = self._builder.inttoptr(address, INT32.as_pointer())
        return self._builder.gep(words, [ir.Constant(INT, index)])


def _where_good(
    builder: Builder, squares: Value, counts: Value, ends: Value, rule: Sequence[Value]
) -> Value:
    """The bits of entries for which the condition of `look_at_blocks` holds."""
    count, inverse, curve, scale, slack, gain = rule
    others = builder.sitofp(builder.sub(count, counts), FLOATS)
    counts = builder.sitofp(counts, FLOATS)
    fewer = builder.select(builder.fcmp_ordered("<", counts, others), counts, others)
    share = builder.fmul(fewer, inverse)
    one = constants(1.0)
    top = builder.fmul(
        builder.fsub(one, builder.fmul(curve, share)), fused(builder, squares, scale, slack)
    )
    bottom = builder.fmul(builder.fmul(gain, share), builder.fsub(one, share))
    is_good = builder.and_(builder.fcmp_unordered(">=", top, bottom), ends)
    return builder.zext(builder.bitcast(is_good, ir.IntType(LANES)), INT)


# Vectors are added two by two, in four stages, such that in the end lane i has the sum over the
# lanes of vector i. What moves lanes is one instruction in AVX-512, and cheap in AVX2 or less.
_LOW_AND_HIGH = (
    ([0, 16, 1, 17], [2, 18, 3, 19]),
    ([0, 1, 16, 17], [2, 3, 18, 19]),
    ([*range(8), *range(16, 24)], [*range(8, 16), *range(24, 32)]),
    (
        [*range(4), *range(8, 12), *range(16, 20), *range(24, 28)],
        [*range(4, 8), *range(12, 16), *range(20, 24), *range(28, 32)],
    ),
)


def _add_lanes(builder: Builder, vectors: Sequence[Value], *stages: int) -> Value:
    """One vector from as many as 2 to the number of stages."""
    for stage in stages:
        vectors = [
            builder.fadd(*[_shuffled(builder, a, b, lanes) for lanes in _LOW_AND_HIGH[stage]])
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
    (total,) = vectors
    return total


def _shuffled(builder: Builder, a: Value, b: Value, lanes: Sequence[int]) -> Value:
    # Where four are given, they are for each quarter of the vectors.
    whole = [first + lane for first in range(0, LANES, len(lanes)) for lane in lanes]
    return builder.shuffle_vector(a, b, ir.Constant(INTS, whole))
