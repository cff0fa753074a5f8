"""Attributes that are spread over several features: the OR of a few levels.

Shape letters: N samples (of the choosing split), D features (d in a block), A attributes, L levels,
P attributes whose coalition still grows, X = 2 * L slots of a feature.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.fidelity._candidates import Candidates, f1_of_predictions
from core.fidelity._counts import Bools, Integers, Scores, best_slots, joint_counts
from core.fidelity._heldout import Selection, checked_pair
from core.fidelity._inputs import Attributes

MAX_MEMBERS = 3
"""Most levels of a coalition."""


class Coalitions(NamedTuple):
    """Coalitions of b(v)'s entries, one for each attribute."""

    score: float
    """Mean F1 over the attributes that occur in the scored split, a fraction."""

    f1_A: npt.NDArray[np.float64]
    """F1 of each attribute in the scored split; NaN where it never occurs there."""

    size_A: npt.NDArray[np.int64]
    """Members of each coalition; 0 for an attribute that the choosing split never shows."""


def coalitions(
    attributes_NA: Attributes,
    levels_ND: Integers,
    *,
    num_levels: int,
    selection: Selection | None = None,
) -> Coalitions:
    """Recover each attribute with the OR of up to three entries of b(v).

    A coalition grows greedily. At each turn the entry is taken that has the best F_0.5, which
    favours precision, on the samples that the coalition does not cover yet. The coalition stops
    before an entry with which its F1 over all samples would not rise.

    Members and their number are chosen on `selection`, and the OR is scored on this split. Without
    a selection split all is chosen where it is scored. An attribute that never occurs in
    `selection` has an empty coalition and counts as 0.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels, selection
        As in `fidelity`. Entries of both polarities are candidates.

    Returns
    -------
    Coalitions
        Ties go to the lowest feature, then the lowest level, then "equals". The greedy first
        member is not Eq. 3's match, so a coalition may score less than it.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`.

    Notes
    -----
    Source: the coalitions of Klotz et al. (arXiv 2606.24716), there over an autoencoder's latents.

    Examples
    --------
    >>> attributes_NA = np.array([[1], [1], [0], [0]])
    >>> levels_ND = np.array([[2, 0], [0, 2], [0, 0], [0, 1]])
    >>> found = coalitions(attributes_NA, levels_ND, num_levels=3)
    >>> found.score, found.size_A.tolist()
    (1.0, [2])
    """
    flags_NA, chosen_flags_NA, chosen_levels_ND = checked_pair(
        attributes_NA, levels_ND, num_levels, selection
    )
    covered_NA = np.zeros(chosen_flags_NA.shape, dtype=np.bool_)
    predicted_NA = np.zeros(flags_NA.shape, dtype=np.bool_)
    size_A = np.zeros(flags_NA.shape[1], dtype=np.int64)
    f1_so_far_A = np.zeros(flags_NA.shape[1])
    (growing_P,) = np.nonzero(chosen_flags_NA.any(axis=0))
    for _ in range(MAX_MEMBERS):
        # Nothing is left to win where all of an attribute's samples are covered.
        uncovered_A = np.asarray((chosen_flags_NA & ~covered_NA).any(axis=0))
        growing_P = growing_P[uncovered_A[growing_P]]
        if not len(growing_P):
            break
        flags_NP = chosen_flags_NA[:, growing_P]
        feature_P, slot_P, _ = best_slots(
            _f_half_blocks(flags_NP, covered_NA[:, growing_P], chosen_levels_ND, num_levels)
        )
        members = Candidates.of_slots(feature_P, slot_P)
        grown_NP = covered_NA[:, growing_P] | members.hold(chosen_levels_ND)
        f1_P = f1_of_predictions(flags_NP, grown_NP)
        rises_P = f1_P > f1_so_far_A[growing_P]
        held_NP = members.hold(levels_ND)
        growing_P = growing_P[rises_P]
        f1_so_far_A[growing_P] = f1_P[rises_P]
        covered_NA[:, growing_P] = grown_NP[:, rises_P]
        predicted_NA[:, growing_P] |= held_NP[:, rises_P]
        size_A[growing_P] += 1

    occurs_A = np.asarray(flags_NA.any(axis=0))
    f1_A = np.full(len(occurs_A), np.nan)
    f1_A[occurs_A] = f1_of_predictions(flags_NA[:, occurs_A], predicted_NA[:, occurs_A])
    return Coalitions(score=float(np.nanmean(f1_A)), f1_A=f1_A, size_A=size_A)


def _f_half_blocks(
    flags_NP: Bools, covered_NP: Bools, levels_ND: Integers, num_levels: int
) -> Iterator[tuple[int, Scores]]:
    """Yield each block's first feature, and (P, d, X) the F_0.5 of all entries on what is left.

    F_0.5 = 1.25 TP / (1.25 TP + 0.25 FN + FP) = 5 TP / (positives + 4 predicted): a division of
    integers, so that ties are ties.
    """
    num_samples, num_attributes = flags_NP.shape
    left_NP = flags_NP & ~covered_NP
    positives_P11 = np.count_nonzero(left_NP, axis=0)[:, None, None]
    covered_P = np.count_nonzero(covered_NP, axis=0)
    uncovered_P11 = (num_samples - covered_P)[:, None, None]
    # Whichever of covered and uncovered samples are fewer is counted; the total gives the other.
    is_mostly_covered_P = 2 * covered_P > num_samples
    rows_RN = np.ones((2 * num_attributes + 1, num_samples), dtype=np.bool_)
    rows_RN[:num_attributes] = left_NP.T
    rows_RN[num_attributes:-1] = np.where(is_mostly_covered_P, ~covered_NP, covered_NP).T
    for first, counts_RdL in joint_counts(rows_RN, levels_ND, num_levels):
        hits_PdL = counts_RdL[:num_attributes]
        fewer_PdL = counts_RdL[num_attributes:-1]
        taken_PdL = np.where(
            is_mostly_covered_P[:, None, None], fewer_PdL, counts_RdL[-1] - fewer_PdL
        )
        f_PdL2 = np.empty((*hits_PdL.shape, 2))
        f_PdL2[..., 0] = 5 * hits_PdL / (positives_P11 + 4 * taken_PdL)
        f_PdL2[..., 1] = (
            5 * (positives_P11 - hits_PdL) / (positives_P11 + 4 * (uncovered_P11 - taken_PdL))
        )
        yield first, f_PdL2.reshape(num_attributes, hits_PdL.shape[1], 2 * num_levels)
