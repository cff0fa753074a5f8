"""Sums over the samples of each class.

Shape letters: N samples, K classes that occur, X columns.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from core.fidelity._counts import Integers


def sums_by_class(values_NX: npt.NDArray[Any], labels_N: Integers) -> npt.NDArray[np.int64]:
    """Exact sums of integers or bools over each class that occurs, in ascending order, (K, X)."""
    order_N = np.argsort(labels_N, kind="stable")
    sorted_N = labels_N[order_N]
    starts_K = np.flatnonzero(np.r_[True, sorted_N[1:] != sorted_N[:-1]])
    sums_KX: npt.NDArray[np.int64] = np.add.reduceat(
        values_NX[order_N], starts_K, axis=0, dtype=np.int64
    )
    return sums_KX
