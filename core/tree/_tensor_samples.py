"""Input of a fit from tensors, checked and made exact, as `core.tree._samples` does for arrays.

Shape letters: N rows, D features, K classes, C columns: the classes, then the number of rows.
"""

import torch
from torch import Tensor

from core.errors import DataError
from core.tree._gain import UNIT, Criterion
from core.tree._samples import SUM_TOLERANCE
from core.tree._settings import Settings


def as_columns(levels_ND: Tensor, labels_NK: Tensor, settings: Settings) -> Tensor:
    """(N, C) Whole units of labels and a one, after both tables were checked, as for `fit_tree`."""
    _check_shapes(levels_ND, labels_NK)
    if len(levels_ND):
        lowest, highest = int(levels_ND.amin()), int(levels_ND.amax())
        if lowest < 0 or highest >= settings.num_levels:
            raise DataError(
                f"Levels must lie in [0, {settings.num_levels - 1}] with "
                f"`num_levels`={settings.num_levels}, but reach from {lowest} to {highest}: "
                "quantize with the same number of levels."
            )
        _check_labels(labels_NK, settings.criterion)
    labels_NK = labels_NK.to(torch.float64)
    if settings.criterion is Criterion.SQUARED_ERROR:
        labels_NK = (labels_NK + 1) / 2
    units_NK = (labels_NK / UNIT).round().to(torch.int64)
    return torch.cat([units_NK, torch.ones_like(units_NK[:, :1])], dim=1)


def _check_shapes(levels_ND: Tensor, labels_NK: Tensor) -> None:
    if levels_ND.ndim != 2 or levels_ND.is_floating_point() or levels_ND.is_complex():
        raise DataError(
            "`levels_ND` must be an integer tensor of shape (samples, features), but has dtype "
            f"{levels_ND.dtype} and shape {tuple(levels_ND.shape)}: cast levels to uint8."
        )
    if labels_NK.ndim != 2 or not labels_NK.is_floating_point():
        raise DataError(
            "`labels_NK` must be a floating-point tensor of shape (samples, classes), but has "
            f"dtype {labels_NK.dtype} and shape {tuple(labels_NK.shape)}: give class indices as "
            "one-hot rows."
        )
    if len(levels_ND) != len(labels_NK) or levels_ND.device != labels_NK.device:
        raise DataError(
            "`levels_ND` and `labels_NK` must have one row per sample on one device, but have "
            f"{len(levels_ND)} rows on {levels_ND.device} and {len(labels_NK)} on "
            f"{labels_NK.device}."
        )
    if 0 in (levels_ND.shape[1], labels_NK.shape[1]):
        raise DataError(
            "A tree needs at least one feature and one class, but `levels_ND` has shape "
            f"{tuple(levels_ND.shape)} and `labels_NK` has shape {tuple(labels_NK.shape)}."
        )


def _check_labels(labels_NK: Tensor, criterion: Criterion) -> None:
    lowest, highest = float(labels_NK.amin()), float(labels_NK.amax())
    if not bool(torch.isfinite(labels_NK).all()):
        raise DataError(
            "Labels must be finite, but some are NaN or infinite: look for a diverged network or a "
            "division by zero."
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
    worst = float((labels_NK.to(torch.float64).sum(dim=1) - 1).abs().amax())
    if worst > SUM_TOLERANCE:
        raise DataError(
            f"Each row of labels must sum to 1 within {SUM_TOLERANCE} for 'information_gain', but "
            f"one is off by {worst:g}: normalise the rows, for example by a softmax."
        )
