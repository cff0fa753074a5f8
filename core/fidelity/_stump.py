"""The best tree of depth 1 for each attribute: one feature, one threshold.

Shape letters: N samples, D features (d in a block), A attributes, L levels.
"""

from collections.abc import Iterator

import numpy as np

from core.fidelity._candidates import f1_of_both_polarities, hits_and_totals
from core.fidelity._counts import Bools, Counts, Integers, Scores, best_slots


class Stumps:
    """1[v_i >= t] or its complement for each attribute, the one with the best F1 on its samples.

    A threshold of 0 is the constant. Ties go to the lowest feature, then the lowest threshold, then
    "at least". Every attribute must occur.
    """

    def __init__(self, flags_NA: Bools, levels_ND: Integers, num_levels: int) -> None:
        self.feature_A, slot_A, _ = best_slots(_f1_blocks(flags_NA, levels_ND, num_levels))
        self.threshold_A, is_below_A = np.divmod(slot_A, 2)
        self.is_at_least_A = is_below_A == 0

    def predict(self, levels_ND: Integers) -> Bools:
        """What the stumps say of the attributes, (N, A)."""
        return np.asarray((levels_ND[:, self.feature_A] >= self.threshold_A) == self.is_at_least_A)


def _f1_blocks(
    flags_NA: Bools, levels_ND: Integers, num_levels: int
) -> Iterator[tuple[int, Scores]]:
    positives_A = np.count_nonzero(flags_NA, axis=0)
    for first, hits_AdL, taken_dL in hits_and_totals(flags_NA, levels_ND, num_levels):
        yield (
            first,
            f1_of_both_polarities(
                _at_least(hits_AdL), positives_A, _at_least(taken_dL), len(flags_NA)
            ),
        )


def _at_least(counts_XL: Counts) -> Counts:
    """From how often each level is taken to how often each or a higher one is."""
    return np.asarray(counts_XL[..., ::-1].cumsum(axis=-1)[..., ::-1])
