"""The attribute alignment that SLDD, Q-SENN and QPM report.

Shape letters: N samples, D features, A attributes.
"""

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.fidelity._inputs import Attributes, Bools, Integers, check_num_levels, checked_flags


def sldd_alignment(
    attributes_NA: Attributes,
    levels_ND: Integers,
    *,
    num_levels: int,
    certain_NA: Attributes | None = None,
) -> float | None:
    """Mean over features of how much more a feature says where its best attribute is present.

    For each feature: the largest over the attributes of (mean level where the attribute is present
    - mean where it is absent), divided by the mean of (level - lowest level). It tells nothing of
    attributes that no feature goes with.

    Each feature's attribute is chosen where it is scored, as the papers do, on train. It is here
    for comparison with them.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels
        As in `fidelity`, of the training split.
    certain_NA
        Which cells of the attributes to read, bool; the papers read those of CUB whose certainty
        is at least 3. None for all.

    Returns
    -------
    float or None
        Not bounded by 1. Attributes without a sample on either side are left out, as are constant
        features. None if either leaves nothing.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`; if `certain_NA` has another shape.

    Notes
    -----
    Source: the alignment of Q-SENN and QPM, on levels in place of real features.

    Examples
    --------
    >>> attributes_NA = np.array([[1], [1], [0], [0]])
    >>> sldd_alignment(attributes_NA, np.array([[3], [1], [0], [0]]), num_levels=4)
    2.0
    """
    check_num_levels(num_levels)
    flags_NA = checked_flags("this split", attributes_NA, levels_ND, num_levels)
    certain = np.ones_like(flags_NA) if certain_NA is None else certain_NA.astype(np.bool_)
    if certain.shape != flags_NA.shape:
        raise DataError(
            "`certain_NA` must say of each cell of the attributes whether to read it, but has "
            f"shape {certain.shape} for {flags_NA.shape}."
        )
    lowest_D = levels_ND.min(axis=0)
    mean_D = (levels_ND - lowest_D).mean(axis=0)
    varies_D = mean_D > 0
    present_NA, absent_NA = flags_NA & certain, ~flags_NA & certain
    read_A = present_NA.any(axis=0) & absent_NA.any(axis=0)
    if not varies_D.any() or not read_A.any():
        return None
    levels_ND = levels_ND[:, varies_D]
    difference_AD = _means(present_NA[:, read_A], levels_ND) - _means(
        absent_NA[:, read_A], levels_ND
    )
    return float(np.mean(difference_AD.max(axis=0) / mean_D[varies_D]))


def _means(flags_NA: Bools, levels_ND: Integers) -> npt.NDArray[np.float64]:
    """(A, D) mean level over each attribute's flagged samples; sums of integers are exact."""
    sums_AD = flags_NA.T.astype(np.float64) @ levels_ND.astype(np.float64)
    return np.asarray(sums_AD / np.count_nonzero(flags_NA, axis=0)[:, None])
