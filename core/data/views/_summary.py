"""Counts, prevalences and floors of one split.

Shape letters: N samples, K classes, A attributes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.fidelity import fidelity


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitSummary:
    """What a split holds."""

    num_rows: int
    counts_K: npt.NDArray[np.int64]
    """Rows of each class."""

    prevalence_A: npt.NDArray[np.float64]
    """Share of the rows that have each attribute, in [0, 1]; NaN in a split without rows."""

    floor: float | None
    """Mean F1 of a constant feature, 2a / (1 + a) at prevalence a, over the attributes that occur;
    None where none does."""

    num_absent_attributes: int
    """Attributes that never occur, which have no F1."""


def summarize(
    labels_N: npt.NDArray[np.integer], attributes_NA: npt.NDArray[np.bool_], *, num_classes: int
) -> SplitSummary:
    """Count a split's classes and attributes.

    Examples
    --------
    >>> attributes_NA = np.array([[True, False], [True, False], [False, False]])
    >>> summary = summarize(np.array([0, 0, 1]), attributes_NA, num_classes=2)
    >>> summary.counts_K.tolist(), summary.floor, summary.num_absent_attributes
    ([2, 1], 0.8, 1)
    """
    num_rows, num_attributes = attributes_NA.shape
    positives_A = np.count_nonzero(attributes_NA, axis=0)
    floor = None
    if positives_A.any():
        constant_N1 = np.zeros((num_rows, 1), dtype=np.uint8)
        floor = fidelity(attributes_NA, constant_N1, num_levels=2).floor
    return SplitSummary(
        num_rows=num_rows,
        counts_K=np.bincount(labels_N, minlength=num_classes),
        prevalence_A=positives_A / num_rows if num_rows else np.full(num_attributes, np.nan),
        floor=floor,
        num_absent_attributes=int(np.count_nonzero(positives_A == 0)),
    )
