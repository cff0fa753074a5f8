"""What a split is worth: information gain on soft labels, or the decrease of squared error.

Both are sums over classes of one term per class. Terms are rounded to a binary grid that is coarse
enough for their sums to be exact, so a gain is the same number whatever the order of summation.

Shape letters: S candidate splits (any leading axes), K classes.
"""

import math
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

UNIT = 2.0**-24
"""Labels are whole multiples of this. Partial sums of up to 2^28 rows are exact in float64."""

SQUARE_UNIT = 4 * UNIT * UNIT
"""A squared unit, on the scale of labels in [-1, 1], which are halved to fit into [0, 1]."""

GAIN_GRID = 2.0**-32
"""Gains are compared after rounding to multiples of this."""


class Criterion(StrEnum):
    """What the splits of a tree are chosen by."""

    INFORMATION_GAIN = "information_gain"
    """Decrease of the entropy, in bits, of the mean label vector."""

    SQUARED_ERROR = "squared_error"
    """Decrease of the mean squared error, summed over classes."""


# log2(m) = 2 / ln 2 * (t + t^3 / 3 + t^5 / 5 + ...) with t = (m - 1) / (m + 1). For m between
# sqrt(1/2) and sqrt(2) ten terms leave a relative error below 1e-16.
SERIES = tuple(2 / (math.log(2) * (2 * i + 1)) for i in range(10))
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9 = SERIES
_ONE_BITS = np.uint64(0x3FF0000000000000)
_ONE_MINUS_SQRT_HALF_BITS = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
_MANTISSA_WIDTH = np.uint64(52)
_TWO_POW_52_BITS = np.uint64(0x4330000000000000)
_TWO_POW_52_AND_BIAS = 2.0**52 + 1023


def share_log_share(share: Floats) -> Floats:
    """Terms of an entropy: p * log2(p) for p in [0, 1], 0 for p = 0.

    It consists of IEEE additions, multiplications and one division only, so that numpy and
    compiled code, on any machine, give the same bits; a library's logarithm would not. The same
    source therefore serves as numpy function (arrays) and as compiled function (scalars).
    """
    bits = np.float64(share).view(np.uint64)
    exponent = (bits + _ONE_MINUS_SQRT_HALF_BITS) >> _MANTISSA_WIDTH
    m = np.uint64(bits + _ONE_BITS - (exponent << _MANTISSA_WIDTH)).view(np.float64)
    # The exponent as float without an integer conversion, which AVX2 lacks.
    whole = np.uint64(exponent | _TWO_POW_52_BITS).view(np.float64) - _TWO_POW_52_AND_BIAS
    t = (m - 1.0) / (m + 1.0)
    u = t * t
    high = _C5 + u * (_C6 + u * (_C7 + u * (_C8 + u * _C9)))
    series = _C0 + u * (_C1 + u * (_C2 + u * (_C3 + u * (_C4 + u * high))))
    return share * (whole + t * series)


def rounding_constant(criterion: Criterion, num_classes: int) -> float:
    """The c for which (x + c) - c rounds a term to a grid on which sums of terms are exact.

    All terms of one gain add up to less than 2^e, so multiples of 2^(e - 52) have exact sums.
    """
    if criterion is Criterion.INFORMATION_GAIN:
        largest_sum = 2 * (math.log2(num_classes) + 2)
    else:
        largest_sum = 8.0 * num_classes
    return 1.5 * 2.0 ** math.ceil(math.log2(largest_sum))


def split_gains(
    left_sums_SK: Floats,
    left_counts_S: npt.NDArray[np.int64],
    sums_K: Floats,
    count: int,
    criterion: Criterion,
) -> Floats:
    """Gain of each split of one node, rounded to `GAIN_GRID`. Both sides must hold samples.

    Parameters
    ----------
    left_sums_SK, left_counts_S
        Label sums, in units, and numbers of samples that go left.
    sums_K, count
        The same for the whole node.
    """
    constant = rounding_constant(criterion, len(sums_K))
    if criterion is Criterion.INFORMATION_GAIN:
        gains_S = _information_gains(left_sums_SK, sums_K, constant)
    else:
        gains_S = _squared_error_gains(left_sums_SK, left_counts_S, sums_K, count, constant)
    return np.rint(gains_S / GAIN_GRID) * GAIN_GRID


def _information_gains(left_sums_SK: Floats, sums_K: Floats, constant: float) -> Floats:
    mass_1 = sums_K.sum(keepdims=True)
    inverse_1 = 1.0 / mass_1

    def terms(sums: Floats) -> Floats:
        return (share_log_share(sums * inverse_1) + constant) - constant

    left_mass_S = left_sums_SK.sum(axis=-1)
    children_S = terms(left_sums_SK).sum(axis=-1) + terms(sums_K - left_sums_SK).sum(axis=-1)
    sides_S = terms(left_mass_S) + terms(mass_1 - left_mass_S)
    gains_S: Floats = children_S - sides_S - terms(sums_K).sum()
    return gains_S


def _squared_error_gains(
    left_sums_SK: Floats,
    left_counts_S: npt.NDArray[np.int64],
    sums_K: Floats,
    count: int,
    constant: float,
) -> Floats:
    def terms(sums: Floats, counts: npt.NDArray[np.int64]) -> Floats:
        weights = SQUARE_UNIT / (counts * float(count))
        return (sums * sums * weights[..., None] + constant) - constant

    left_S = terms(left_sums_SK, left_counts_S).sum(axis=-1)
    right_S = terms(sums_K - left_sums_SK, count - left_counts_S).sum(axis=-1)
    gains_S: Floats = left_S + right_S - terms(sums_K, np.array(count)).sum()
    return gains_S
