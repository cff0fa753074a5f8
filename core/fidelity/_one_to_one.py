"""Each feature answers for at most one attribute.

Shape letters: N samples, D features, A attributes (P of them occur where the choice is made).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.fidelity._candidates import (
    Candidates,
    best_candidates,
    f1_blocks,
    f1_of_predictions,
)
from core.fidelity._counts import Bools, Counts, Integers
from core.fidelity._heldout import Selection, checked_pair
from core.fidelity._inputs import Attributes


class OneToOne(NamedTuple):
    """An assignment of features to attributes."""

    score: float
    """Mean F1 over the attributes that occur in the scored split, a fraction."""

    f1_A: npt.NDArray[np.float64]
    """F1 of each attribute in the scored split; NaN where it never occurs there."""

    feature_A: npt.NDArray[np.int64]
    """The feature given to each attribute, no two the same; -1 for an attribute without one."""


def one_to_one(
    attributes_NA: Attributes,
    levels_ND: Integers,
    *,
    num_levels: int,
    selection: Selection | None = None,
) -> OneToOne:
    """Match attributes with features so that no feature is used twice.

    Eq. 3 lets one feature answer for every attribute. Here the features are assigned so that the
    sum of F1 is the largest there is (the Hungarian method), each feature at its best level and
    polarity for the attribute.

    Level, polarity and assignment are all chosen on `selection`, and scored on this split. Without
    a selection split all is chosen where it is scored. An attribute without a feature, because
    there are fewer features than attributes or because it never occurs in `selection`, counts as 0.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels, selection
        As in `fidelity`.

    Returns
    -------
    OneToOne
        Where several assignments are best, scipy's is taken.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`.

    Notes
    -----
    Source: Eq. 3 with an assignment (`scipy.optimize.linear_sum_assignment`) for its maximum.

    Examples
    --------
    >>> attributes_NA = np.array([[1, 1], [1, 1], [0, 0], [0, 1]])
    >>> levels_ND = np.array([[2, 0], [2, 1], [0, 0], [1, 1]])
    >>> one_to_one(attributes_NA, levels_ND, num_levels=3).feature_A.tolist()
    [0, 1]
    """
    # Imported here: scipy.optimize takes a while, and who only needs Eq. 3 need not wait.
    from scipy.optimize import linear_sum_assignment

    flags_NA, chosen_flags_NA, chosen_levels_ND = checked_pair(
        attributes_NA, levels_ND, num_levels, selection
    )
    (column_P,) = np.nonzero(chosen_flags_NA.any(axis=0))
    f1_PD, slot_PD = _best_of_each_feature(
        chosen_flags_NA[:, column_P], chosen_levels_ND, num_levels
    )
    rows, features = linear_sum_assignment(f1_PD, maximize=True)
    candidates = Candidates.of_slots(features, slot_PD[rows, features])

    feature_A = np.full(flags_NA.shape[1], -1, dtype=np.int64)
    feature_A[column_P[rows]] = features
    predicted_NA = np.zeros(flags_NA.shape, dtype=np.bool_)
    predicted_NA[:, column_P[rows]] = candidates.hold(levels_ND)
    occurs_A = np.asarray(flags_NA.any(axis=0))
    f1_A = np.full(len(occurs_A), np.nan)
    f1_A[occurs_A] = f1_of_predictions(flags_NA[:, occurs_A], predicted_NA[:, occurs_A])
    return OneToOne(score=float(np.nanmean(f1_A)), f1_A=f1_A, feature_A=feature_A)


def distinct_features(attributes_NA: Attributes, levels_ND: Integers, *, num_levels: int) -> int:
    """Count the different features among Eq. 3's matches.

    The matches are those of `fidelity`: chosen on this split, as its `score`. From 1, where one
    feature answers for every attribute, to the number of attributes that occur.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels
        As in `fidelity`.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`.

    Examples
    --------
    >>> attributes_NA = np.array([[1, 1], [1, 0], [0, 0]])
    >>> distinct_features(attributes_NA, np.array([[2, 0], [1, 0], [0, 0]]), num_levels=3)
    1
    """
    flags_NA, _, _ = checked_pair(attributes_NA, levels_ND, num_levels, None)
    matches, _ = best_candidates(flags_NA[:, flags_NA.any(axis=0)], levels_ND, num_levels)
    return len(np.unique(matches.feature_A))


def _best_of_each_feature(
    flags_NP: Bools, levels_ND: Integers, num_levels: int
) -> tuple[npt.NDArray[np.float64], Counts]:
    """(P, D) the F1 of each feature's best candidate, and its slot."""
    f1s, slots = [], []
    for _, f1_PdX in f1_blocks(flags_NP, levels_ND, num_levels):
        slot_Pd = f1_PdX.argmax(axis=2)
        slots.append(slot_Pd)
        f1s.append(np.take_along_axis(f1_PdX, slot_Pd[:, :, None], axis=2)[:, :, 0])
    return np.concatenate(f1s, axis=1), np.concatenate(slots, axis=1)
