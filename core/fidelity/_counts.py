"""How often flags and levels occur together, features taken block by block.

Shape letters: N samples, D features (d in a block), R rows of flags, A attributes, L levels,
X slots of a feature.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import cast

import numpy as np
import numpy.typing as npt
from numba import njit

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.integer]
Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

# Columns of one block's table of counts, unless one feature alone has more levels.
_BLOCK_COLUMNS = 2048


def joint_counts(
    flags_RN: Bools, levels_ND: Integers, num_levels: int
) -> Iterator[tuple[int, Counts]]:
    """Yield each block's first feature, and (R, d, L) how many flagged samples have each level."""
    block_features = max(1, _BLOCK_COLUMNS // num_levels)
    for first in range(0, levels_ND.shape[1], block_features):
        block_Nd = np.ascontiguousarray(levels_ND[:, first : first + block_features])
        counts_RdL = np.zeros((len(flags_RN), block_Nd.shape[1], num_levels), dtype=np.int64)
        _add_joint_counts(flags_RN, block_Nd, counts_RdL)
        yield first, counts_RdL


def best_slots(blocks: Iterable[tuple[int, Scores]]) -> tuple[Counts, Counts, Scores]:
    """Each attribute's best feature, the slot within it, and its score, each of shape (A,).

    Parameters
    ----------
    blocks
        Each block's first feature, and its scores, not negative, of shape (A, d, X). Ties go to
        the lowest feature, then the lowest slot.
    """
    found: tuple[Counts, Counts, Scores] | None = None
    for first, score_AdX in blocks:
        num_attributes, num_features, num_slots = score_AdX.shape
        score_AY = score_AdX.reshape(num_attributes, num_features * num_slots)
        index_A = score_AY.argmax(axis=1)
        score_A = np.take_along_axis(score_AY, index_A[:, None], axis=1)[:, 0]
        feature_A, slot_A = np.divmod(index_A, num_slots)
        feature_A += first
        if found is None:
            found = feature_A, slot_A, score_A
            continue
        better_A = score_A > found[2]
        for best_A, new_A in zip(found, (feature_A, slot_A, score_A), strict=True):
            best_A[better_A] = new_A[better_A]
    if found is None:
        raise ValueError("There is no feature to choose from.")
    return found


def _count(flags_RN: Bools, levels_Nd: Integers, counts_RdL: Counts) -> None:
    """Count, for each row of flags and each (feature, level), the samples that have both."""
    for row in range(flags_RN.shape[0]):
        counts_dL = counts_RdL[row]
        for sample in range(flags_RN.shape[1]):
            if flags_RN[row, sample]:
                for feature in range(levels_Nd.shape[1]):
                    counts_dL[feature, levels_Nd[sample, feature]] += 1


# Compiled, not a matrix product of one-hot levels: several times faster on sparse attributes,
# exact in integers, and on one thread. BLAS's threads wait for each other by spinning, which
# made the product five times slower where other trials shared the cores.
_add_joint_counts = cast(
    Callable[[Bools, Integers, Counts], None],
    njit(cache=True, nogil=True)(_count),
)
