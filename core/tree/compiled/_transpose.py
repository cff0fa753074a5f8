"""Compiled: rows of levels as columns.

Shape letters: N samples, D features.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from core.tree.compiled._compile import compiled
from core.tree.compiled._llvm import INT, Builder, Value, intrinsic

_SIDE = 16
_TILE = 64
_BYTES = ir.VectorType(ir.IntType(8), _SIDE)


@compiled
def put_columns(
    levels_ND: npt.NDArray[np.uint8],
    first_row: int,
    levels_DN: npt.NDArray[np.uint8],
    first: int,
    last: int,
) -> None:
    """Write rows of levels, for features `first` to `last` - 1, as columns from `first_row` on."""
    num_rows, num_features = levels_ND.shape
    capacity = levels_DN.shape[1]
    source, target = levels_ND.ctypes.data, levels_DN.ctypes.data
    whole_rows = num_rows // _SIDE * _SIDE
    whole_last = first + (last - first) // _SIDE * _SIDE
    # In tiles, so that both tables are walked through in whole cache lines.
    for row in range(0, whole_rows, _TILE):
        for feature in range(first, whole_last, _TILE):
            for d in range(feature, min(feature + _TILE, whole_last), _SIDE):
                for n in range(row, min(row + _TILE, whole_rows), _SIDE):
                    _transpose(
                        source + n * num_features + d,
                        num_features,
                        target + d * capacity + first_row + n,
                        capacity,
                    )
    for n in range(whole_rows):
        for d in range(whole_last, last):
            levels_DN[d, first_row + n] = levels_ND[n, d]
    for n in range(whole_rows, num_rows):
        for d in range(first, last):
            levels_DN[d, first_row + n] = levels_ND[n, d]


@intrinsic
def _transpose(
    typing_context: Any, source: Any, source_stride: Any, target: Any, target_stride: Any
) -> Any:
    """Write 16 x 16 bytes as columns. Takes addresses, and how far apart rows are, in bytes."""

    def generate(context: Any, builder: Builder, _: Any, arguments: list[Value]) -> Value:
        source, source_stride, target, target_stride = arguments

        def pointer(address: Value, stride: Value, index: int) -> Value:
            offset = builder.mul(stride, ir.Constant(INT, index))
            return builder.inttoptr(builder.add(address, offset), _BYTES.as_pointer())

        rows = []
        for index in range(_SIDE):
            row = builder.load(pointer(source, source_stride, index))
            row.align = 1
            rows.append(row)
        # A perfect shuffle of a 16 x 16 table's bytes moves each to where its address, turned by
        # one bit, says. Four of them exchange row and column.
        half = _SIDE // 2
        low, high = (
            ir.Constant(
                ir.VectorType(ir.IntType(32), _SIDE),
                [lane for k in range(first, first + half) for lane in (k, _SIDE + k)],
            )
            for first in (0, half)
        )
        for _ in range(4):
            rows = [
                builder.shuffle_vector(rows[index], rows[half + index], lanes)
                for index in range(half)
                for lanes in (low, high)
            ]
        for index, row in enumerate(rows):
            builder.store(row, pointer(target, target_stride, index)).align = 1
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate
