"""Whether features fire for single classes.

Shape letters: N samples, D features, K classes that occur.
"""

import numpy as np

from core.errors import DataError
from core.fidelity._by_class import sums_by_class
from core.fidelity._inputs import Integers, check_labels


def class_independence(levels_ND: Integers, labels_N: Integers) -> float | None:
    """1 - the mean over features of the largest share of a feature's activation in one class.

    A feature that fires for one class alone has a share of 1: it is a class detector, and so no
    attribute that classes share. A feature that fires everywhere alike has the share of the
    largest class. Activation is counted from the feature's lowest level.

    Nothing is chosen, and no attribute is read: data without attributes has it as well.

    Parameters
    ----------
    levels_ND
        q(F(x)), integers.
    labels_N
        Class of each sample, counted from 0.

    Returns
    -------
    float or None
        In [0, 1). Constant features have no activation and are left out. None if all are.

    Raises
    ------
    DataError
        If something is empty, shapes disagree, or values are no integers.

    Notes
    -----
    Source: the class independence of QPM, on levels in place of real features.

    Examples
    --------
    >>> levels_ND = np.array([[3, 1], [0, 1], [0, 0], [0, 0]])
    >>> class_independence(levels_ND, np.array([0, 1, 0, 1]))
    0.25
    """
    if levels_ND.ndim != 2 or 0 in levels_ND.shape:
        raise DataError(
            "Levels must be a matrix with at least one row and one column, but the shape is "
            f"{levels_ND.shape}."
        )
    if not np.issubdtype(levels_ND.dtype, np.integer):
        raise DataError(
            f"Levels must be integers, but the dtype is {levels_ND.dtype}. Quantize the features "
            "and cast them to uint8."
        )
    check_labels("this split", labels_N, len(levels_ND))
    # The lowest level is no greater than any, so unsigned levels do not wrap.
    activation_KD = sums_by_class(levels_ND - levels_ND.min(axis=0), labels_N)
    total_D = activation_KD.sum(axis=0)
    fires_D = total_D > 0
    if not fires_D.any():
        return None
    largest_share_D = activation_KD[:, fires_D].max(axis=0) / total_D[fires_D]
    return float(1 - largest_share_D.mean())
