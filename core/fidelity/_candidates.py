"""The binary features b(v) of section 5, scored against attributes without ever being stored.

A candidate is a triple (feature i, level j, polarity): u1[i, j] = 1[v_i = j] is the positive
polarity, u2[i, j] = 1[v_i != j] the negative one.

Shape letters: N samples, D features (d in a block), A attributes, L levels, X = 2 * L slots of a
feature: its levels, and of each the positive polarity before the negative one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from core.fidelity._counts import Bools, Counts, Integers, Scores, best_slots, joint_counts


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """One candidate of b(v) for each attribute."""

    feature_A: npt.NDArray[np.int64]
    level_A: npt.NDArray[np.int64]
    polarity_A: npt.NDArray[np.bool_]

    @classmethod
    def of_slots(cls, feature_A: Counts, slot_A: Counts) -> Self:
        """The candidates at given slots of given features."""
        level_A, negative_A = np.divmod(slot_A, 2)
        return cls(feature_A=feature_A, level_A=level_A, polarity_A=negative_A == 0)

    def hold(self, levels_ND: Integers) -> Bools:
        """Where each candidate is 1, (N, A)."""
        return np.asarray((levels_ND[:, self.feature_A] == self.level_A) == self.polarity_A)


def best_candidates(
    attributes_NA: Bools, levels_ND: Integers, num_levels: int
) -> tuple[Candidates, Scores]:
    """Return each attribute's best candidate and its F1.

    Every attribute must occur at least once, so that no F1 is 0/0. Ties go to the lowest
    feature, then the lowest level, then the positive polarity.
    """
    feature_A, slot_A, f1_A = best_slots(f1_blocks(attributes_NA, levels_ND, num_levels))
    return Candidates.of_slots(feature_A, slot_A), f1_A


def f1_blocks(
    attributes_NA: Bools, levels_ND: Integers, num_levels: int
) -> Iterator[tuple[int, Scores]]:
    """Yield each block's first feature, and (A, d, X) the F1 of all its candidates."""
    num_samples = len(attributes_NA)
    positives_A = np.count_nonzero(attributes_NA, axis=0)
    for first, hits_AdL, taken_dL in hits_and_totals(attributes_NA, levels_ND, num_levels):
        yield first, f1_of_both_polarities(hits_AdL, positives_A, taken_dL, num_samples)


def hits_and_totals(
    attributes_NA: Bools, levels_ND: Integers, num_levels: int
) -> Iterator[tuple[int, Counts, Counts]]:
    """Yield each block's first feature, (A, d, L) an attribute's samples and (d, L) all of them."""
    # A last row of ones makes the same loop count how often each level is taken.
    flags_AN = np.ones((attributes_NA.shape[1] + 1, len(attributes_NA)), dtype=np.bool_)
    flags_AN[:-1] = attributes_NA.T
    for first, counts_AdL in joint_counts(flags_AN, levels_ND, num_levels):
        yield first, counts_AdL[:-1], counts_AdL[-1]


def score_candidates(
    attributes_NA: Bools, levels_ND: Integers, candidates: Candidates
) -> npt.NDArray[np.float64]:
    """Return the F1 of one given candidate for each attribute; every attribute must occur."""
    return f1_of_predictions(attributes_NA, candidates.hold(levels_ND))


def f1_of_predictions(attributes_NA: Bools, predicted_NA: Bools) -> npt.NDArray[np.float64]:
    """Return the F1 of each column; every attribute must occur."""
    hits_A = np.count_nonzero(predicted_NA & attributes_NA, axis=0)
    positives_A = np.count_nonzero(attributes_NA, axis=0)
    predicted_A = np.count_nonzero(predicted_NA, axis=0)
    return np.asarray(2 * hits_A / (positives_A + predicted_A), dtype=np.float64)


def f1_of_both_polarities(
    hits_AdL: Counts, positives_A: npt.NDArray[np.intp], taken_dL: Counts, num_samples: int
) -> Scores:
    """F1 = 2 TP / (positives + predicted), in the order of the slots.

    Float64 matters: it rounds equal fractions to the same number and keeps different ones
    apart, so that ties are ties.
    """
    positives_A11 = positives_A[:, None, None]
    num_attributes, num_features, num_levels = hits_AdL.shape
    f1_AdL2 = np.empty((*hits_AdL.shape, 2))
    f1_AdL2[..., 0] = 2 * hits_AdL / (positives_A11 + taken_dL)
    f1_AdL2[..., 1] = 2 * (positives_A11 - hits_AdL) / (positives_A11 + num_samples - taken_dL)
    return f1_AdL2.reshape(num_attributes, num_features, 2 * num_levels)
