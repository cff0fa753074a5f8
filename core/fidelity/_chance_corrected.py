"""F1 with what a constant scores taken away.

Shape letters: N samples, A attributes.
"""

import numpy as np

from core.fidelity._candidates import f1_of_predictions
from core.fidelity._inputs import Attributes, checked_predictions


def chance_corrected_f1(attributes_NA: Attributes, predicted_NA: Attributes) -> float | None:
    """Mean of (F1 - floor) / (1 - floor) over the attributes.

    F1 rises with prevalence: a constant scores 2a / (1 + a), the floor, on an attribute of
    prevalence a. This is 1 for a perfect prediction and 0 for the better constant, whatever the
    prevalence, and below 0 for what is worse than it.

    Nothing is chosen here. With `matched_predictions` and a selection split, the features were
    chosen by F1 there, and both F1 and floor are those of this split.

    Parameters
    ----------
    attributes_NA
        f(x), bool or integers 0 and 1.
    predicted_NA
        What is said of them, likewise.

    Returns
    -------
    float or None
        Attributes that never occur have no F1, and those that always occur a floor of 1: both are
        left out. None if no attribute is left.

    Raises
    ------
    DataError
        If shapes disagree, something is empty or not binary.

    Notes
    -----
    Source: the form of kappa, with Eq. 3's F1 and the floor of `fidelity`.

    Examples
    --------
    >>> attributes_NA = np.array([[1], [1], [0], [0]])
    >>> chance_corrected_f1(attributes_NA, np.array([[1], [1], [0], [0]]))
    1.0
    >>> chance_corrected_f1(attributes_NA, np.ones((4, 1), dtype=int))
    0.0
    """
    flags_NA, said_NA = checked_predictions(attributes_NA, predicted_NA)
    varies_A = flags_NA.any(axis=0) & ~flags_NA.all(axis=0)
    if not varies_A.any():
        return None
    positives_A = np.count_nonzero(flags_NA[:, varies_A], axis=0)
    floor_A = 2 * positives_A / (positives_A + len(flags_NA))
    f1_A = f1_of_predictions(flags_NA[:, varies_A], said_NA[:, varies_A])
    return float(np.mean((f1_A - floor_A) / (1 - floor_A)))
