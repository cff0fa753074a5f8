"""Compiled: what rows of labels have alone.

Shape letters: N rows, K classes, C columns: the classes, the total of a row, padding.
"""

import numpy as np
import numpy.typing as npt

from core.tree._gain import SQUARE_UNIT, Floats, share_log_share
from core.tree.compiled._compile import compiled, compiled_any_order

_share_log_share = compiled(share_log_share)


@compiled_any_order
def put_own_entropies(
    columns_NC: npt.NDArray[np.int32], start: int, stop: int, num_classes: int, own_N: Floats
) -> None:
    """Write each row's total, and the entropy, in bits, of its labels times that."""
    for i in range(start, stop):
        # About 2^24. Labels for squared error are on no simplex, and their total might overflow.
        total = 0
        for k in range(num_classes):
            total += columns_NC[i, k]
        columns_NC[i, num_classes] = total
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
