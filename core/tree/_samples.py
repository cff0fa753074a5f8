"""Input of a fit, checked and made exact: levels as bytes, labels as whole units.

Shape letters: N samples, D features, K classes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.tree._gain import UNIT, Criterion
from core.tree._settings import Settings

MAX_SAMPLES = 2**23
SUM_TOLERANCE = 1e-3
"""How far a row of soft labels may sum from 1: room for the softmax of a low-precision float."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """What a grower gets."""

    levels_ND: npt.NDArray[np.uint8]
    units_NK: npt.NDArray[np.uint32]
    """Labels as multiples of `UNIT`; those for squared error are first taken to [0, 1]."""
    num_levels: int
    criterion: Criterion


def as_samples(levels_ND: npt.ArrayLike, labels_NK: npt.ArrayLike, settings: Settings) -> Samples:
    """Check both tables and round the labels, once, to multiples of `UNIT`."""
    levels = as_levels(levels_ND, num_levels=settings.num_levels)
    labels = np.asarray(labels_NK)
    if labels.ndim != 2 or labels.dtype.kind != "f":
        raise DataError(
            "`labels_NK` must be a floating-point array of shape (samples, classes), but has dtype "
            f"{labels.dtype} and shape {labels.shape}: give class indices as one-hot rows."
        )
    if len(labels) != len(levels):
        raise DataError(
            "`levels_ND` and `labels_NK` must have one row per sample, but have "
            f"{len(levels)} and {len(labels)} rows."
        )
    if 0 in levels.shape or 0 in labels.shape:
        raise DataError(
            "A tree needs at least one sample, one feature and one class, but `levels_ND` has "
            f"shape {levels.shape} and `labels_NK` has shape {labels.shape}."
        )
    if len(levels) > MAX_SAMPLES:
        raise DataError(
            f"Sums are exact for up to {MAX_SAMPLES} samples, but there are {len(levels)}: fit on "
            "a part of them."
        )
    labels = labels.astype(np.float64)
    _check_labels(labels, settings.criterion)
    if settings.criterion is Criterion.SQUARED_ERROR:
        labels += 1
        labels /= 2
    labels /= UNIT
    return Samples(
        levels_ND=levels,
        units_NK=np.rint(labels, out=labels).astype(np.uint32),
        num_levels=settings.num_levels,
        criterion=settings.criterion,
    )


def as_levels(levels_ND: npt.ArrayLike, *, num_levels: int) -> npt.NDArray[np.uint8]:
    """Levels as a table of bytes; refuses what is no level."""
    levels = np.asarray(levels_ND)
    if levels.ndim != 2 or levels.dtype.kind not in "iu":
        raise DataError(
            "`levels_ND` must be an integer array of shape (samples, features), but has dtype "
            f"{levels.dtype} and shape {levels.shape}: cast levels to uint8."
        )
    if levels.size:
        lowest, highest = int(levels.min()), int(levels.max())
        if lowest < 0 or highest >= num_levels:
            raise DataError(
                f"Levels must lie in [0, {num_levels - 1}] with `num_levels`={num_levels}, but "
                f"reach from {lowest} to {highest}: quantize with the same number of levels."
            )
    return np.ascontiguousarray(levels, dtype=np.uint8)


def _check_labels(labels_NK: npt.NDArray[np.float64], criterion: Criterion) -> None:
    # The extremes show NaN and infinity too, without a table of flags.
    lowest, highest = float(labels_NK.min()), float(labels_NK.max())
    if not np.isfinite([lowest, highest]).all():
        row, column = np.argwhere(~np.isfinite(labels_NK))[0]
        raise DataError(
            f"Labels must be finite, but row {row}, class {column} is {labels_NK[row, column]}: "
            "look for a diverged network or a division by zero."
        )
    if criterion is Criterion.SQUARED_ERROR:
        if lowest < -1 or highest > 1:
            raise DataError(
                "Labels must lie in [-1, 1] for 'squared_error', but reach from "
                f"{lowest:g} to {highest:g}: divide them by their largest magnitude."
            )
        return
    if lowest < 0:
        raise DataError(
            f"Labels must not be negative for 'information_gain', but the lowest is {lowest:g}: "
            "give probabilities, or choose 'squared_error'."
        )
    sums_N = labels_NK.sum(axis=1)
    worst = int(np.abs(sums_N - 1).argmax())
    if abs(sums_N[worst] - 1) > SUM_TOLERANCE:
        raise DataError(
            f"Each row of labels must sum to 1 within {SUM_TOLERANCE} for 'information_gain', but "
            f"row {worst} sums to {sums_N[worst]:g}: normalise the rows, for example by a softmax."
        )
