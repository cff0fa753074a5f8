"""Loops over columns in whole vectors, written in LLVM's instructions (`_llvm`).

A row of columns is `num_vectors * LANES` wide. Arrays are given by their addresses and nothing is
checked.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from core.tree._gain import SERIES
from core.tree.compiled._lists import ROW_MASK
from core.tree.compiled._llvm import (
    DOUBLES,
    FLOAT,
    FLOATS,
    FUSED,
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

_AT_ONCE = 4
"""Vectors of sums that are kept in registers: half of what AVX2 has, with two halves each."""

_MANTISSA_WIDTH = 23
_SQRT_HALF_BITS = 0x3F3504F3


def _loop(
    builder: Builder,
    start: Value,
    stop: Value,
    step: int,
    carried: list[Value],
    body: Callable[[Value, list[Value]], list[Value]],
) -> list[Value]:
    """For each index in turn, `carried = body(index, carried)`. Returns the last `carried`."""
    before = builder.block
    inside = builder.append_basic_block("loop")
    after = builder.append_basic_block("after")
    builder.cbranch(builder.icmp_signed("<", start, stop), inside, after)
    builder.position_at_end(inside)
    index = builder.phi(INT)
    index.add_incoming(start, before)
    now = [builder.phi(value.type) for value in carried]
    for phi, value in zip(now, carried, strict=True):
        phi.add_incoming(value, before)
    then = body(index, now)
    end = builder.block
    following = builder.add(index, ir.Constant(INT, step))
    index.add_incoming(following, end)
    for phi, value in zip(now, then, strict=True):
        phi.add_incoming(value, end)
    builder.cbranch(builder.icmp_signed("<", following, stop), inside, after)
    builder.position_at_end(after)
    out = []
    for value, last in zip(carried, then, strict=True):
        phi = builder.phi(value.type)
        phi.add_incoming(value, before)
        phi.add_incoming(last, end)
        out.append(phi)
    return out


def _whole_groups(builder: Builder, num_vectors: Value) -> Value:
    return builder.and_(num_vectors, ir.Constant(INT, -_AT_ONCE))


@intrinsic
def add_rows(
    typing_context: Any,
    sums: Any,
    columns: Any,
    num_vectors: Any,
    entries: Any,
    start: Any,
    stop: Any,
    anew: Any,
) -> Any:
    """Add up rows of int32 columns: `sums += columns[entries[i] & ROW_MASK]` over start..stop.

    All arguments but the last are integers, the first, second and fourth of them addresses; entries
    are uint32. The last one is a boolean: whether `sums` are to be taken for 0.
    """
    signature = types.void(*[types.int64] * 6, types.boolean)

    def generate(context: Any, builder: Builder, _: Any, arguments: list[Value]) -> Value:
        sums, columns, num_vectors, entries, start, stop, anew = arguments
        entries = builder.inttoptr(entries, INT32.as_pointer())
        stride = builder.mul(num_vectors, ir.Constant(INT, 4 * LANES))

        def group(first: Value, size: int) -> None:
            indices = [builder.add(first, ir.Constant(INT, k)) for k in range(size)]

            def add_row(i: Value, totals: list[Value]) -> list[Value]:
                entry = builder.load(builder.gep(entries, [i]))
                row = builder.zext(builder.and_(entry, ir.Constant(INT32, ROW_MASK)), INT)
                address = builder.add(columns, builder.mul(row, stride))
                return [
                    builder.add(total, vector_at(builder, address, index, INTS))
                    for total, index in zip(totals, indices, strict=True)
                ]

            totals = [
                builder.select(anew, integers(0), vector_at(builder, sums, index, INTS))
                for index in indices
            ]
            for index, total in zip(
                indices, _loop(builder, start, stop, 1, totals, add_row), strict=True
            ):
                store_at(builder, total, sums, index)

        def groups_of(size: int) -> Callable[[Value, list[Value]], list[Value]]:
            def one(first: Value, _: list[Value]) -> list[Value]:
                group(first, size)
                return []

            return one

        whole = _whole_groups(builder, num_vectors)
        zero = ir.Constant(INT, 0)
        _loop(builder, zero, whole, _AT_ONCE, [], groups_of(_AT_ONCE))
        _loop(builder, whole, num_vectors, 1, [], groups_of(1))
        return context.get_dummy_value()

    return signature, generate


def _sum_of_terms(builder: Builder, num_vectors: Value, term: Callable[[Value], Value]) -> Value:
    """The sum over all columns, in single precision and in any order."""

    def group(first: Value, totals: list[Value]) -> list[Value]:
        terms = [term(builder.add(first, ir.Constant(INT, k))) for k in range(len(totals))]
        return [builder.fadd(t, x, flags=FUSED) for t, x in zip(totals, terms, strict=True)]

    whole = _whole_groups(builder, num_vectors)
    totals = [constants(0.0)] * _AT_ONCE
    totals = _loop(builder, ir.Constant(INT, 0), whole, _AT_ONCE, totals, group)
    while len(totals) > 1:
        half = len(totals) // 2
        totals = [builder.fadd(a, b) for a, b in zip(totals[:half], totals[half:], strict=True)]
    totals = _loop(builder, whole, num_vectors, 1, totals, group)
    reduce = _reduction(builder, "fadd", (FLOAT, FLOATS))
    return builder.call(reduce, (ir.Constant(FLOAT, -0.0), totals[0]), fastmath=("reassoc",))


def _reduction(builder: Builder, name: str, arguments: tuple[Any, ...]) -> Value:
    return cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
        builder.module,
        ir.FunctionType(FLOAT, arguments),
        f"llvm.vector.reduce.{name}.v{LANES}f32",
    )


def _singles(builder: Builder, address: Value, index: Value, kind: Any) -> Value:
    """Sums as single precision, from int32 or float64."""
    values = vector_at(builder, address, index, kind)
    if kind is INTS:
        return builder.sitofp(values, FLOATS)
    return builder.fptrunc(values, FLOATS)


def _centred_squares(kind: Any) -> Any:
    @intrinsic
    def centred_squares(
        typing_context: Any, sides: Any, totals: Any, weights: Any, share: Any, num_vectors: Any
    ) -> Any:
        """Sum of `weights * (sides - share * totals)^2` over columns, a float32.

        The first three are addresses, of sides as said and of float32.
        """
        signature = types.float32(types.int64, types.int64, types.int64, types.float32, types.int64)

        def generate(_: Any, builder: Builder, __: Any, arguments: list[Value]) -> Value:
            sides, totals, weights, share, num_vectors = arguments
            minus_share = splat(builder, builder.fneg(share))

            def term(index: Value) -> Value:
                side = _singles(builder, sides, index, kind)
                total = vector_at(builder, totals, index, FLOATS)
                weight = vector_at(builder, weights, index, FLOATS)
                off = fused(builder, minus_share, total, side)
                return builder.fmul(builder.fmul(off, weight), off, flags=FUSED)

            return _sum_of_terms(builder, num_vectors, term)

        return signature, generate

    return centred_squares


centred_squares_of_ints = _centred_squares(INTS)
centred_squares_of_doubles = _centred_squares(DOUBLES)


def _gain_by_entropy(kind: Any) -> Any:
    @intrinsic
    def gain_by_entropy(
        typing_context: Any, sides: Any, inverses: Any, shares: Any, num_vectors: Any
    ) -> Any:
        """Sum of `shares * (r log2(r) + (1 - r) log2(1 - r))` with `r = sides * inverses`.

        A float32. The first three are addresses, of sides as said and of float32.
        """
        signature = types.float32(types.int64, types.int64, types.int64, types.int64)

        def generate(_: Any, builder: Builder, __: Any, arguments: list[Value]) -> Value:
            sides, inverses, shares, num_vectors = arguments
            one, zero = constants(1.0), constants(0.0)

            def term(index: Value) -> Value:
                side = _singles(builder, sides, index, kind)
                inverse = vector_at(builder, inverses, index, FLOATS)
                share = vector_at(builder, shares, index, FLOATS)
                r = builder.fmul(side, inverse)
                # Rounding may take r above 1.
                rest = builder.fsub(one, r)
                rest = builder.select(builder.fcmp_ordered(">", rest, zero), rest, zero)
                logs = builder.fmul(r, _log2(builder, r))
                logs = fused(builder, rest, _log2(builder, rest), logs)
                return builder.fmul(share, logs)

            return _sum_of_terms(builder, num_vectors, term)

        return signature, generate

    return gain_by_entropy


gain_by_entropy_of_ints = _gain_by_entropy(INTS)
gain_by_entropy_of_doubles = _gain_by_entropy(DOUBLES)


def _least_variance(kind: Any) -> Any:
    @intrinsic
    def least_variance(typing_context: Any, sides: Any, inverses: Any, num_vectors: Any) -> Any:
        """The least `r (1 - r)` with `r = sides * inverses`, where `inverses` are not 0; or 0.25.

        A float32. The first two are addresses, of sides as said and of float32.
        """
        signature = types.float32(types.int64, types.int64, types.int64)

        def generate(_: Any, builder: Builder, __: Any, arguments: list[Value]) -> Value:
            sides, inverses, num_vectors = arguments

            def lower(index: Value, carried: list[Value]) -> list[Value]:
                inverse = vector_at(builder, inverses, index, FLOATS)
                r = builder.fmul(_singles(builder, sides, index, kind), inverse)
                variance = builder.fmul(r, builder.fsub(constants(1.0), r))
                is_less = builder.and_(
                    builder.fcmp_ordered(">", inverse, constants(0.0)),
                    builder.fcmp_ordered("<", variance, carried[0]),
                )
                return [builder.select(is_less, variance, carried[0])]

            zero = ir.Constant(INT, 0)
            least = _loop(builder, zero, num_vectors, 1, [constants(0.25)], lower)[0]
            return builder.call(_reduction(builder, "fmin", (FLOATS,)), (least,))

        return signature, generate

    return least_variance


least_variance_of_ints = _least_variance(INTS)
least_variance_of_doubles = _least_variance(DOUBLES)


def _log2(builder: Builder, x: Value) -> Value:
    """Logarithms to the base 2, to about 2^-22 of 1 or of their value; of 0 some finite value.

    As `core.tree._gain.share_log_share`, with fewer terms of the series.
    """
    bits = builder.bitcast(x, INTS)
    shifted = builder.add(bits, integers(0x3F800000 - _SQRT_HALF_BITS))
    exponent = builder.lshr(shifted, integers(_MANTISSA_WIDTH))
    m = builder.sub(bits, builder.shl(exponent, integers(_MANTISSA_WIDTH)))
    m = builder.bitcast(builder.add(m, integers(0x3F800000)), FLOATS)
    whole = builder.fadd(builder.uitofp(exponent, FLOATS), constants(-127.0))
    t = builder.fdiv(
        builder.fadd(m, constants(-1.0)), builder.fadd(m, constants(1.0)), flags=("arcp",)
    )
    u = builder.fmul(t, t)
    series = constants(SERIES[3])
    for coefficient in SERIES[2::-1]:
        series = fused(builder, series, u, constants(coefficient))
    return fused(builder, t, series, whole)
