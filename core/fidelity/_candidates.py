"""The binary features b(v) of section 5, scored against attributes without ever being stored.

A candidate is a triple (feature i, level j, polarity): u1[i, j] = 1[v_i = j] is the positive
polarity, u2[i, j] = 1[v_i != j] the negative one.

Shape letters: N samples, D features (d in a block), A attributes, L levels, C = d * L.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from numba import njit

# Columns of one block's table of counts, unless one feature alone has more levels.
_BLOCK_COLUMNS = 2048


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """One candidate of b(v) for each attribute."""

    feature_A: npt.NDArray[np.int64]
    level_A: npt.NDArray[np.int64]
    polarity_A: npt.NDArray[np.bool_]


def best_candidates(
    attributes_NA: npt.NDArray[np.bool_], levels_ND: npt.NDArray[np.integer], num_levels: int
) -> tuple[Candidates, npt.NDArray[np.float64]]:
    """Return each attribute's best candidate and its F1.

    Every attribute must occur at least once, so that no F1 is 0/0. Ties go to the lowest
    feature, then the lowest level, then the positive polarity.
    """
    num_samples, num_attributes = attributes_NA.shape
    num_features = levels_ND.shape[1]
    positives_A = np.count_nonzero(attributes_NA, axis=0)
    # A last row of ones makes the same loop count how often each level is taken.
    flags_AN = np.ones((num_attributes + 1, num_samples), dtype=np.bool_)
    flags_AN[:-1] = attributes_NA.T

    best_f1_A = np.full(num_attributes, -1.0)
    best_index_A = np.zeros(num_attributes, dtype=np.int64)
    block_features = max(1, _BLOCK_COLUMNS // num_levels)
    for first in range(0, num_features, block_features):
        block_Nd = np.ascontiguousarray(levels_ND[:, first : first + block_features])
        counts_AdL = np.zeros((num_attributes + 1, block_Nd.shape[1], num_levels), dtype=np.int64)
        _add_joint_counts(flags_AN, block_Nd, counts_AdL)
        counts_AC = counts_AdL.reshape(num_attributes + 1, -1)
        f1_AC2 = _f1_of_both_polarities(counts_AC[:-1], positives_A, counts_AC[-1], num_samples)
        f1_AX = f1_AC2.reshape(num_attributes, 2 * f1_AC2.shape[1])
        index_A = f1_AX.argmax(axis=1)
        f1_A = np.take_along_axis(f1_AX, index_A[:, None], axis=1)[:, 0]
        better_A = f1_A > best_f1_A
        best_f1_A[better_A] = f1_A[better_A]
        best_index_A[better_A] = first * num_levels * 2 + index_A[better_A]

    feature_level_A, negative_A = np.divmod(best_index_A, 2)
    feature_A, level_A = np.divmod(feature_level_A, num_levels)
    chosen = Candidates(feature_A=feature_A, level_A=level_A, polarity_A=negative_A == 0)
    return chosen, best_f1_A


def score_candidates(
    attributes_NA: npt.NDArray[np.bool_],
    levels_ND: npt.NDArray[np.integer],
    candidates: Candidates,
) -> npt.NDArray[np.float64]:
    """Return the F1 of one given candidate for each attribute; every attribute must occur."""
    predicted_NA = (
        levels_ND[:, candidates.feature_A] == candidates.level_A
    ) == candidates.polarity_A
    hits_A = np.count_nonzero(predicted_NA & attributes_NA, axis=0)
    positives_A = np.count_nonzero(attributes_NA, axis=0)
    predicted_A = np.count_nonzero(predicted_NA, axis=0)
    return np.asarray(2 * hits_A / (positives_A + predicted_A), dtype=np.float64)


def _count(
    flags_AN: npt.NDArray[np.bool_],
    levels_Nd: npt.NDArray[np.integer],
    counts_AdL: npt.NDArray[np.int64],
) -> None:
    """Count, for each attribute and each (feature, level), the samples that have both."""
    for attribute in range(flags_AN.shape[0]):
        counts_dL = counts_AdL[attribute]
        for sample in range(flags_AN.shape[1]):
            if flags_AN[attribute, sample]:
                for feature in range(levels_Nd.shape[1]):
                    counts_dL[feature, levels_Nd[sample, feature]] += 1


# Compiled, not a matrix product of one-hot levels: several times faster on sparse attributes,
# exact in integers, and on one thread. BLAS's threads wait for each other by spinning, which
# made the product five times slower where other trials shared the cores.
_add_joint_counts = cast(
    Callable[
        [npt.NDArray[np.bool_], npt.NDArray[np.integer], npt.NDArray[np.int64]],
        None,
    ],
    njit(cache=True, nogil=True)(_count),
)


def _f1_of_both_polarities(
    hits_AC: npt.NDArray[np.int64],
    positives_A: npt.NDArray[np.int64],
    taken_C: npt.NDArray[np.int64],
    num_samples: int,
) -> npt.NDArray[np.float64]:
    """F1 = 2 TP / (positives + predicted), with u1 in slot 0 of the last axis and u2 in slot 1.

    Float64 matters: it rounds equal fractions to the same number and keeps different ones
    apart, so that ties are ties.
    """
    positives_A1 = positives_A[:, None]
    f1_AC2 = np.empty((*hits_AC.shape, 2))
    f1_AC2[..., 0] = 2 * hits_AC / (positives_A1 + taken_C)
    f1_AC2[..., 1] = 2 * (positives_A1 - hits_AC) / (positives_A1 + num_samples - taken_C)
    return f1_AC2
