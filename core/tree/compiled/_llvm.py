"""LLVM's vector instructions, for the few places where most of the time goes.

numba leaves loops to LLVM's vectoriser, which keeps neither the sums of many rows in registers nor
the sums of a reduction apart. Functions written in these instructions are turned into those of the
machine at hand (AVX-512, AVX2, NEON). They get arrays by their addresses, and check nothing.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.extending import intrinsic as numba_intrinsic

LANES = 16

INT = ir.IntType(64)
INT32 = ir.IntType(32)
FLOAT = ir.FloatType()
INTS = ir.VectorType(INT32, LANES)
FLOATS = ir.VectorType(FLOAT, LANES)
DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
FUSED = ("contract",)

Builder = Any
Value = Any


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """As numba's, which says nothing about the calls that compiled code makes."""
    return cast(Callable[..., Any], numba_intrinsic(function))


def vector_at(builder: Builder, address: Value, index: Value, kind: Any) -> Value:
    pointer = builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])
    vector = builder.load(pointer)
    vector.align = 4  # what numpy promises; the tables lie on multiples of 64
    return vector


def store_at(builder: Builder, vector: Value, address: Value, index: Value) -> None:
    pointer = builder.gep(builder.inttoptr(address, vector.type.as_pointer()), [index])
    builder.store(vector, pointer).align = 4


def splat(builder: Builder, scalar: Value) -> Value:
    kind = ir.VectorType(scalar.type, LANES)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(INT32, 0))
    mask = ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), mask)


def constants(value: float) -> Value:
    return ir.Constant(FLOATS, [value] * LANES)


def integers(value: int) -> Value:
    return ir.Constant(INTS, [value] * LANES)


def fused(builder: Builder, a: Value, b: Value, c: Value) -> Value:
    """A * b + c."""
    return builder.fadd(builder.fmul(a, b, flags=FUSED), c, flags=FUSED)
