"""Compiled: what a split cannot gain more than, for a fraction of the price of its gain.

Sums over classes come in single precision from `_vectors`; each bound leaves room for
its errors.

Shape letters: N rows, K classes, C columns.
"""

import math

import numpy as np

from core.tree._gain import GAIN_GRID, Floats
from core.tree.compiled._compile import compiled, compiled_any_order
from core.tree.compiled._lists import Rows
from core.tree.compiled._records import Table

_LN_2 = math.log(2)
_LN_4 = math.log(4)

_RELATIVE = 1 + 2.0**-13
"""More than what single precision does to a sum of squares."""


@compiled_any_order
def largest_divergence(
    table: Table, rows_N: Rows, sums_C: Floats, num_classes: int, logs_C: Floats
) -> float:
    """The largest relative entropy, in bits, of a row's labels to the node's mean."""
    mass = 0.0
    for k in range(num_classes):
        mass += sums_C[k]
        logs_C[k] = math.log2(max(sums_C[k], 1.0))
    largest = -np.inf
    for i in range(rows_N.size):
        row = rows_N[i]
        cross = 0.0
        for k in range(num_classes):
            cross -= table.columns_NC[row, k] * logs_C[k]
        divergence = (cross - table.own_N[row]) / table.columns_NC[row, num_classes]
        largest = max(largest, divergence)
    return largest + math.log2(mass)


@compiled_any_order
def fewest_rows(gain: float, count: int, divergence: float) -> int:
    """The rows that each side needs for a gain by entropy of so many bits, or fewer.

    Let q <= 1/2 be the share of a side. The gain is at most h(q) <= (4 q (1 - q))^(1 / ln 4)
    (Topsoe, 2001). And it is the mean relative entropy of both sides to the node. The side's own is
    at most `divergence`, the largest of the node's rows. The other side's, weighted alike, is at
    most (1 - q) / (-ln q - 1 + q) times as much: for each class it is largest, compared with the
    side's, where the side has all of the class. A row's labels sum to 1 within 1e-3.
    """
    gain = max(gain - GAIN_GRID, 0.0)
    share = 0.5 * (1.0 - math.sqrt(1.0 - min(1.0, gain**_LN_4)))
    ratio = gain / (divergence + 2.0**-30)
    low, high = 0.0, 0.5
    for _ in range(7):
        middle = 0.5 * (low + high)
        log = -math.log(middle)
        if middle * log < ratio * (log - 1.0 + middle):
            low = middle
        else:
            high = middle
    return max(1, math.ceil(0.997 * max(share, low) * count))


@compiled_any_order
def is_below(squares: float, share: float, gain: float) -> bool:
    """Whether the gain by entropy is below some other, from the sum of p (r - q)^2 over classes.

    With q the share of the node on one side, r that of class k, and p the classes' shares, the gain
    is the mean, weighted by p, of the relative entropies of coins r to a coin q, in bits. Such an
    entropy is at most C (r - q)^2, where C makes both agree at r = 0 (at r = 1 if q > 1/2):
    C = -log2(1 - q) / q^2, here with a rational function above the logarithm, and without its
    division, for which all would wait.

    In single precision each r - q errs by 2^-22 of the larger of both, whose squares sum to at most
    q + q^2. So the sum S of squares errs by no more than 2^-20 of the root of S q (Cauchy-Schwarz),
    hence than S 2^-11 + q 2^-31, and by some units of 2^-24 of its value for each 64 columns.
    """
    small = min(share, 1.0 - share)
    top = (1.0 - 0.5 * small) * (squares * (1 + 2.0**-10) + share * 2.0**-30)
    bottom = _LN_2 * small * (1.0 - small)
    return top < (gain - 2 * GAIN_GRID) * bottom


@compiled_any_order
def even_bound(squares: float, share: float, variance: float) -> float:
    """No less than the gain by entropy, and hardly more where all classes split alike.

    The relative entropy of a coin r to a coin q is at most (r - q)^2 / (2 ln 2) times the largest
    1 / (x (1 - x)) between q and r, which is at an end. `variance` is the least r (1 - r) of any
    class, and q lies between their r. For `squares` see `is_below`. The error of a variance is
    small beside it if it is not too small itself.
    """
    if variance < 2.0**-9:
        return np.inf
    return (squares * (1 + 2.0**-9) + share * 2.0**-30) / (2 * _LN_2 * variance) + GAIN_GRID


@compiled
def slack_of_singles(num_columns: int) -> float:
    """More than the error of a gain by entropy in single precision.

    A share r errs by 2^-22 at most, which near 0 and 1 changes the entropy of its coin by as much
    as 2^-22 (22 + 1.45); so do the classes' coins, whose weights sum to 1, and that of the sides.
    Logarithms err by less, and sums of 64 parts by 2^-24 of their value at each step.
    """
    return 2.0**-16 + 2.0**-29 * num_columns


@compiled_any_order
def squared_error_bound(squares: float, num_side: int, count: int, num_classes: int) -> float:
    """No less than the gain by squared error, and hardly more.

    With s and t the sums of a side and of the node, the gain is the sum over classes of
    (s - t num_side / count)^2 / (num_side (count - num_side)). In single precision, each such
    difference errs by 2^-22 of the larger term, its square by 2^-21 of that one's, and labels are
    at most 2 on the scale of `SQUARE_UNIT`; the sum errs by some units of 2^-24 of its value for
    each 64 columns.
    """
    num_other = count - num_side
    slack = 2.0**-18 * num_classes * num_side / num_other
    return squares * _RELATIVE / (num_side * num_other) + slack + GAIN_GRID
