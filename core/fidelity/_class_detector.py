"""Fidelity of a perfect classifier that knows no attribute.

Shape letters: N samples, A attributes, K classes.
"""

import numpy as np

from core.fidelity._fidelity import fidelity
from core.fidelity._inputs import Attributes, Integers, check_labels, check_num_levels
from core.fidelity._result import Fidelity


def class_detector(
    attributes_NA: Attributes,
    labels_N: Integers,
    *,
    num_levels: int,
    selection: tuple[Attributes, Integers] | None = None,
) -> Fidelity:
    """Fidelity of features that each detect one class, at the highest level, and know no more.

    What a perfect classifier without attributes would score. It is large where attributes belong to
    few classes.

    Parameters
    ----------
    attributes_NA
        As in `fidelity`.
    labels_N
        Class of each sample, counted from 0: the classes' features are the one-hot vectors.
    num_levels
        Of the network that it stands beside: from 3 levels on some are never taken, so constants
        are candidates, as they mostly are for the network.
    selection
        Attributes and classes of another split, as in `fidelity`.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`; if classes are no integers from 0.

    Examples
    --------
    >>> attributes_NA, labels_N = np.array([[1], [1], [1], [0]]), np.array([0, 1, 1, 2])
    >>> class_detector(attributes_NA, labels_N, num_levels=2).score
    1.0
    """
    check_num_levels(num_levels)
    check_labels("this split", labels_N, len(attributes_NA))
    largest = int(labels_N.max(initial=0))
    if selection is not None:
        check_labels("the selection split", selection[1], len(selection[0]))
        largest = max(largest, int(selection[1].max(initial=0)))
    classes_K = np.arange(largest + 1)

    def one_hot(labels_N: Integers) -> Integers:
        return np.where(labels_N[:, None] == classes_K, num_levels - 1, 0)

    return fidelity(
        attributes_NA,
        one_hot(labels_N),
        num_levels=num_levels,
        selection=None if selection is None else (selection[0], one_hot(selection[1])),
    )
