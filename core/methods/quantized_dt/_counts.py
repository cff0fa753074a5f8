"""What an active leaf knows: how often each level of each feature came with each class.

Shape letters: B samples, N features, V levels, K classes, T thresholds.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_GRID = 2.0**32
"""Gains are compared in steps of 1 / _GRID bits, so that rounding decides no tie."""


class BestSplit(NamedTuple):
    """The best feature's best threshold, and how far ahead of the next feature it is."""

    feature: int
    threshold: int
    gain: float
    """In bits."""

    next_gain: float
    """Of the best other feature; 0, that of no split, where there is none."""


def add_counts(counts_NVK: Tensor, levels_BN: Tensor, labels_B: Tensor) -> None:
    """Count a batch in place; the order of its samples does not matter.

    Parameters
    ----------
    counts_NVK
        float32, contiguous, on the CPU.
    levels_BN
        uint8.
    labels_B
        int64.
    """
    num_features, num_levels, num_classes = counts_NVK.shape
    cell_BN = torch.arange(num_features) * num_levels + levels_BN.long()
    cell_BN = cell_BN * num_classes + labels_B[:, None]
    counts_NVK.view(-1).index_add_(0, cell_BN.flatten(), torch.ones(cell_BN.numel()))


def information_gains(counts_NVK: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """(N, T) Information gain in bits of each feature and threshold t = 0, ..., V - 2.

    Levels up to t go left.
    """
    left_NTK = counts_NVK.astype(np.float64).cumsum(1)
    node_K = left_NTK[0, -1]
    left_NTK = left_NTK[:, :-1]
    # n H = n log n - sum_k n_k log n_k
    parts_NT = _bits(left_NTK) + _bits(node_K - left_NTK)
    gains_NT = (_bits(node_K) - parts_NT) / node_K.sum()
    return np.asarray(np.round(gains_NT * _GRID) / _GRID)


def best_split(counts_NVK: npt.NDArray[np.floating]) -> BestSplit:
    """The best split of a leaf; ties go to the lowest feature, then to the lowest threshold."""
    gains_NT = information_gains(counts_NVK)
    best_N = gains_NT.max(axis=1)
    feature = int(best_N.argmax())
    others = np.delete(best_N, feature)
    return BestSplit(
        feature=feature,
        threshold=int(gains_NT[feature].argmax()),
        gain=float(best_N[feature]),
        next_gain=float(others.max(initial=0.0)),
    )


def hoeffding_bound(num_samples: float, *, num_classes: int, delta: float) -> float:
    """How far a mean gain of so many samples may be off, but for probability delta.

    epsilon = sqrt(R^2 ln(1 / delta) / (2 N)), where R = log2 K is the largest gain in bits
    (Domingos & Hulten, 2000).

    Examples
    --------
    >>> round(hoeffding_bound(6000, num_classes=200, delta=1e-7), 5)
    0.28014
    """
    return math.log2(num_classes) * math.sqrt(math.log(1 / delta) / (2 * num_samples))


def _bits(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Entropy times number of samples, over the last axis."""
    total = counts.sum(-1)
    return np.asarray(_x_log_x(total) - _x_log_x(counts).sum(-1))


def _x_log_x(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(x * np.log2(np.where(x > 0, x, 1.0)))
