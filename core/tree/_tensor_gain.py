"""`core.tree._gain` for tensors on any device, with the same bits.

Shape letters: F features, A nodes, T thresholds, K classes.
"""

import torch
from torch import Tensor

from core.tree import _gain
from core.tree._gain import SQUARE_UNIT


def information_gains(left_FATK: Tensor, sums_A1K: Tensor, constant: float) -> Tensor:
    mass_A1 = sums_A1K.sum(dim=-1)
    inverse_A1 = 1.0 / mass_A1

    def terms(sums: Tensor, inverse: Tensor) -> Tensor:
        return (share_log_share(sums * inverse) + constant) - constant

    left_mass_FAT = left_FATK.sum(dim=-1)
    inverse_A11 = inverse_A1[..., None]
    children_FAT = terms(left_FATK, inverse_A11).sum(dim=-1)
    children_FAT = children_FAT + terms(sums_A1K - left_FATK, inverse_A11).sum(dim=-1)
    sides_FAT = terms(left_mass_FAT, inverse_A1) + terms(mass_A1 - left_mass_FAT, inverse_A1)
    return children_FAT - sides_FAT - terms(sums_A1K, inverse_A11).sum(dim=-1)


def squared_error_gains(
    left_FATK: Tensor,
    left_count_FAT: Tensor,
    sums_A1K: Tensor,
    right_count_FAT: Tensor,
    count_A1: Tensor,
    constant: float,
) -> Tensor:
    def terms(sums: Tensor, counts: Tensor) -> Tensor:
        weights = SQUARE_UNIT / (counts * count_A1)
        return (sums * sums * weights[..., None] + constant) - constant

    left_FAT = terms(left_FATK, left_count_FAT).sum(dim=-1)
    right_FAT = terms(sums_A1K - left_FATK, right_count_FAT).sum(dim=-1)
    return left_FAT + right_FAT - terms(sums_A1K, count_A1).sum(dim=-1)


_ONE_BITS = int(_gain._ONE_BITS)
_OFFSET_BITS = int(_gain._ONE_MINUS_SQRT_HALF_BITS)
_WIDTH = int(_gain._MANTISSA_WIDTH)
_TWO_POW_52_BITS = int(_gain._TWO_POW_52_BITS)


def share_log_share(share: Tensor) -> Tensor:
    """`core.tree._gain.share_log_share`, operation by operation, so that its bits are the same."""
    bits = share.view(torch.int64)
    exponent = (bits + _OFFSET_BITS) >> _WIDTH
    m = (bits + _ONE_BITS - (exponent << _WIDTH)).view(torch.float64)
    whole = (exponent | _TWO_POW_52_BITS).view(torch.float64) - _gain._TWO_POW_52_AND_BIAS
    t = (m - 1.0) / (m + 1.0)
    u = t * t
    # Horner's rule, from the last coefficient to the first.
    series = torch.full_like(u, _gain.SERIES[-1])
    for coefficient in reversed(_gain.SERIES[:-1]):
        series = coefficient + u * series
    return share * (whole + t * series)
