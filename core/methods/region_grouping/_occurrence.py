"""How much of an image a part has at its best cell, and how that should be distributed.

Shape letters: B samples, P parts, H height, W width, G samples of the global batch.
"""

import functools
import math

import torch
from scipy.special import betaincinv
from torch import Tensor
from torch.nn import functional

from core.distributed import global_sum, local_rows

_BLUR = 0.4
"""Standard deviation in cells."""

_EDGE = 1e-5


def occurrence(assigned_BPHW: Tensor) -> Tensor:
    """The largest blurred assignment of each part.

    The blur is Gaussian without padding: over 5 x 5 cells as in the public code, whose map has 28 x
    28; over 3 x 3 where a side has fewer than 14, and none where one has fewer than 4.

    Parameters
    ----------
    assigned_BPHW
        In [0, 1].

    Returns
    -------
    Tensor
        (B, P), in [0, 1].
    """
    shortest = min(assigned_BPHW.shape[2:])
    radius = 2 if shortest >= 14 else 1 if shortest >= 4 else 0
    if radius:
        assigned_BPHW = _blurred(assigned_BPHW, radius)
    return assigned_BPHW.amax((2, 3))


def prior_loss(occurrence_BP: Tensor, *, global_size: int, alpha: float, beta: float) -> Tensor:
    """Wasserstein distance of the logarithms of occurrences from those of a Beta distribution.

    Each part's values over the global batch are sorted and compared with as many quantiles, at (2i
    - 1) / 2G; the mean over values and parts of |log(o + 1e-5) - log(u + 1e-5)|. The paper's
    formula, as we recall it, has no logarithm and no mean; the public code does.

    Parameters
    ----------
    occurrence_BP
        Of this worker's images.
    global_size
        G.
    alpha, beta
        Of the distribution.

    Returns
    -------
    Tensor
        Scalar, the same for all workers.

    Examples
    --------
    >>> uniform_BP = torch.full((16, 5), 0.2)
    >>> round(prior_loss(uniform_BP, global_size=16, alpha=1.0, beta=0.001).item(), 6)
    1.609398
    """
    all_GP = occurrence_BP.new_zeros(global_size, occurrence_BP.shape[1])
    all_GP[local_rows(global_size)] = occurrence_BP
    sorted_GP = global_sum(all_GP).sort(dim=0).values
    prior_G = torch.tensor(beta_quantiles(global_size, alpha, beta), dtype=torch.float64).to(
        sorted_GP
    )
    return ((sorted_GP + _EDGE).log() - (prior_G + _EDGE).log()[:, None]).abs().mean()


@functools.lru_cache
def beta_quantiles(count: int, alpha: float, beta: float) -> tuple[float, ...]:
    """F^-1((2i - 1) / 2G) for i = 1, ..., G. For alpha = 1 it is 1 - (1 - t)^(1 / beta).

    Examples
    --------
    >>> [round(quantile, 4) for quantile in beta_quantiles(2, 1.0, 0.5)]
    [0.4375, 0.9375]
    """
    levels = [(2 * index + 1) / (2 * count) for index in range(count)]
    return tuple(float(betaincinv(alpha, beta, level)) for level in levels)


def _blurred(assigned_BPHW: Tensor, radius: int) -> Tensor:
    weights = [math.exp(-(i**2) / (2 * _BLUR**2)) for i in range(-radius, radius + 1)]
    side_S = torch.tensor(weights).to(assigned_BPHW) / sum(weights)
    kernel_SS = side_S[:, None] * side_S
    num_parts = assigned_BPHW.shape[1]
    kernel_P1SS = kernel_SS.expand(num_parts, 1, -1, -1)
    return functional.conv2d(assigned_BPHW, kernel_P1SS, groups=num_parts)
