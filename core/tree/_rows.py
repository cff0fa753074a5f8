"""Compiled: rows of labels as they are added up.

Shape letters: N rows, K classes, C columns: the classes, the total of a row, padding.
"""

import numpy as np
import numpy.typing as npt

from core.tree._compiled import compiled, compiled_any_order
from core.tree._gain import SQUARE_UNIT, Floats, share_log_share

_share_log_share = compiled(share_log_share)


@compiled
def put_units(
    units_NK: npt.NDArray[np.uint32], first_row: int, columns_NC: npt.NDArray[np.int32]
) -> None:
    """Write units of labels and their total, from `first_row` on."""
    num_rows, num_classes = units_NK.shape
    for i in range(num_rows):
        total = np.int64(0)
        for k in range(num_classes):
            columns_NC[first_row + i, k] = units_NK[i, k]
            total += np.int64(units_NK[i, k])
        columns_NC[first_row + i, num_classes] = total


@compiled_any_order
def put_own_entropies(
    columns_NC: npt.NDArray[np.int32], start: int, stop: int, num_classes: int, own_N: Floats
) -> None:
    """Entropy, in bits, of each row's labels, times their total."""
    for i in range(start, stop):
        total = float(columns_NC[i, num_classes])
        inverse = 1.0 / total
        entropy = 0.0
        for k in range(num_classes):
            entropy -= float(_share_log_share(columns_NC[i, k] * inverse))
        own_N[i] = entropy * total


@compiled
def put_own_squares(
    columns_NC: npt.NDArray[np.int32], start: int, stop: int, num_classes: int, own_N: Floats
) -> None:
    """Sum of each row's squared labels, on the scale of `SQUARE_UNIT`."""
    for i in range(start, stop):
        squares = 0.0
        for k in range(num_classes):
            label = float(columns_NC[i, k])
            squares += label * label
        own_N[i] = SQUARE_UNIT * squares
