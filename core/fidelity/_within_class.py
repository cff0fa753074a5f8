"""What is recovered of attributes beyond the class.

Shape letters: N samples, A attributes, K classes that occur.
"""

import numpy as np

from core.fidelity._by_class import sums_by_class
from core.fidelity._inputs import Attributes, Integers, check_labels, checked_predictions


def within_class_gain(
    attributes_NA: Attributes, predicted_NA: Attributes, labels_N: Integers
) -> float | None:
    """Mean over the attributes of F1 inside one class, less what a constant scores there.

    A match that only tells the class says the same of all its samples, and gains nothing here. Each
    attribute is looked at in the classes in which it both occurs and is absent: its F1 there, less
    the class's own floor 2a / (1 + a), averaged over those classes, then over the attributes. It
    is below 0 where the better constant of each class would serve better.

    Nothing is chosen here. With `matched_predictions` and a selection split, one match an attribute
    was chosen there over all classes at once, and is read here class by class.

    Parameters
    ----------
    attributes_NA, predicted_NA
        As in `chance_corrected_f1`.
    labels_N
        Class of each sample, counted from 0.

    Returns
    -------
    float or None
        None if no attribute varies inside any class: then attributes belong to classes.

    Raises
    ------
    DataError
        If shapes disagree, something is empty or not binary, or classes are no integers from 0.

    Notes
    -----
    Source: Eq. 3's F1 and the floor of `fidelity`, on the samples of one class.

    Examples
    --------
    >>> attributes_NA = np.array([[1], [0], [0], [0]])
    >>> within_class_gain(attributes_NA, attributes_NA, np.array([0, 0, 1, 1]))
    0.33333333333333337
    """
    flags_NA, said_NA = checked_predictions(attributes_NA, predicted_NA)
    check_labels("this split", labels_N, len(flags_NA))
    hits_KA = sums_by_class(flags_NA & said_NA, labels_N)
    present_KA = sums_by_class(flags_NA, labels_N)
    said_KA = sums_by_class(said_NA, labels_N)
    size_K1 = sums_by_class(np.ones((len(flags_NA), 1), dtype=np.bool_), labels_N)
    varies_KA = (present_KA > 0) & (present_KA < size_K1)
    varies_A = varies_KA.any(axis=0)
    if not varies_A.any():
        return None
    present_KA = np.where(varies_KA, present_KA, 1)  # Spares 0 / 0 where nothing is read.
    f1_KA = 2 * hits_KA / (present_KA + said_KA)
    floor_KA = 2 * present_KA / (present_KA + size_K1)
    gain_A = np.where(varies_KA, f1_KA - floor_KA, 0.0).sum(axis=0)
    return float(np.mean(gain_A[varies_A] / np.count_nonzero(varies_KA, axis=0)[varies_A]))
