"""Eq. 3 with the F1 score, section 5's binarization, its floor and its held-out version.

Shape letters: N samples, D features, A attributes (P of them occur in the split).
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from core.fidelity._candidates import best_candidates, score_candidates
from core.fidelity._inputs import (
    Attributes,
    Integers,
    check_num_levels,
    check_same_columns,
    checked_flags,
)
from core.fidelity._result import Fidelity, Matches

_Scalar = TypeVar("_Scalar", bound=np.generic)


def fidelity(
    attributes_NA: Attributes,
    levels_ND: Integers,
    *,
    num_levels: int,
    selection: tuple[Attributes, Integers] | None = None,
) -> Fidelity:
    """Measure how well single features at single levels recover unseen binary attributes.

    Each attribute is matched with the candidate of b(v) that has the highest F1 on it. The
    candidates are every (feature i, level j) in both polarities, 1[v_i = j] and 1[v_i != j].
    A level that a feature never takes gives a constant candidate, and it counts, as Eq. 3
    says; `floor` is what such candidates score by themselves.

    Eq. 3's annotation-invariant r_hat(q1, q2) = max(r(q1, q2), r(q1, 1 - q2)) also credits a
    candidate with its complement's F1. b(v) holds every candidate's complement already, so
    here r_hat and plain F1 give the same maximum, and r_hat adds nothing.

    Parameters
    ----------
    attributes_NA
        f(x), shape (samples, attributes): bool, or integers 0 and 1.
    levels_ND
        q(F(x)), shape (samples, features): integers 0 .. num_levels - 1.
    num_levels
        2^r, the number of levels of the quantizer, at least 2.
    selection
        Attributes and levels of another split of the same data. Each attribute's candidate is
        then also chosen there and scored here, which gives `heldout`.

    Returns
    -------
    Fidelity
        Fractions, never percent. Attributes that never occur in this split have no F1: they
        are left out of every mean and counted. An attribute that occurs here but never in
        `selection` counts as 0 in `heldout`: the predictor that fits its selection samples is
        "never", which has no hit here. So `score`, `floor` and `heldout` are means over the
        same attributes. Ties go to the lowest feature, then the lowest level, then "equals".

    Raises
    ------
    ConfigError
        If `num_levels` is below 2.
    DataError
        If shapes disagree, something is empty, attributes are not binary, levels are out of
        range, or no attribute occurs at all.

    Notes
    -----
    Source: Eq. 3 and section 5, "Quantization and Binarization". The candidates that the
    selection split prefers are the `matches` of a call with the two splits exchanged.

    Examples
    --------
    >>> attributes_NA = np.array([[1, 0], [1, 0], [0, 0], [0, 1]])
    >>> levels_ND = np.array([[2, 0], [2, 1], [0, 0], [1, 1]])
    >>> result = fidelity(attributes_NA, levels_ND, num_levels=4)
    >>> result.score, result.matches.feature_A.tolist(), result.matches.level_A.tolist()
    (1.0, [0, 0], [2, 1])
    """
    check_num_levels(num_levels)
    flags_NA = checked_flags("this split", attributes_NA, levels_ND, num_levels)
    occurs_A = np.asarray(flags_NA.any(axis=0))
    flags_NP = flags_NA[:, occurs_A]
    best, f1_P = best_candidates(flags_NP, levels_ND, num_levels)

    num_samples = len(flags_NA)
    positives_P = np.count_nonzero(flags_NP, axis=0)
    # 2a / (1 + a) over counts: the very number that a constant candidate scores, so that no
    # score can fall below its floor by a rounding error.
    floor_P = 2 * positives_P / (positives_P + num_samples)
    heldout_f1_P = None
    num_unselected_attributes = None
    if selection is not None:
        check_same_columns(flags_NA, levels_ND, *selection)
        chosen_flags_NA = checked_flags("the selection split", *selection, num_levels)[:, occurs_A]
        selectable_P = chosen_flags_NA.any(axis=0)
        chosen, _ = best_candidates(chosen_flags_NA[:, selectable_P], selection[1], num_levels)
        heldout_f1_P = np.zeros(len(f1_P))
        heldout_f1_P[selectable_P] = score_candidates(flags_NP[:, selectable_P], levels_ND, chosen)
        num_unselected_attributes = int(np.count_nonzero(~selectable_P))

    return Fidelity(
        score=float(f1_P.mean()),
        floor=float(floor_P.mean()),
        heldout=None if heldout_f1_P is None else float(heldout_f1_P.mean()),
        num_absent_attributes=int(np.count_nonzero(~occurs_A)),
        num_unselected_attributes=num_unselected_attributes,
        matches=Matches(
            prevalence_A=np.asarray(flags_NA.mean(axis=0)),
            occurs_A=occurs_A,
            feature_A=_spread(best.feature_A, occurs_A, -1),
            level_A=_spread(best.level_A, occurs_A, -1),
            polarity_A=_spread(best.polarity_A, occurs_A, False),
            f1_A=_spread(f1_P, occurs_A, np.nan),
            heldout_f1_A=(
                None if heldout_f1_P is None else _spread(heldout_f1_P, occurs_A, np.nan)
            ),
            floor_A=_spread(floor_P, occurs_A, np.nan),
        ),
    )


def _spread(
    values_P: npt.NDArray[_Scalar], occurs_A: npt.NDArray[np.bool_], absent: float
) -> npt.NDArray[_Scalar]:
    values_A = np.full(len(occurs_A), absent, dtype=values_P.dtype)
    values_A[occurs_A] = values_P
    return values_A
