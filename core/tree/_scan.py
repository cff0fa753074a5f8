"""Compiled: the best threshold of one feature.

The gain of a split by entropy takes two logarithms per class. Cheap upper bounds come first, and
the gain is computed only where they reach the best gain so far.

Shape letters: F features of a block, L levels, K classes, C columns of a histogram: the K classes,
the number of samples, the total of their labels, and padding.
"""

import math

import numpy as np
import numpy.typing as npt

from core.tree._compiled import compiled, compiled_any_order
from core.tree._gain import GAIN_GRID, SQUARE_UNIT, Floats, share_log_share

Work = tuple[Floats, npt.NDArray[np.int64], Floats, Floats, Floats, Floats, Floats, Floats]

Split = tuple[float, int, int]
"""Gain, feature and threshold."""

_share_log_share = compiled(share_log_share)

_LN_2 = math.log(2)

# h(r) = 1 - (v + v^2 / 6 + v^3 / 15 + ...) / (2 ln 2) with v = (1 - 2r)^2 is the entropy of a
# coin, in bits. All coefficients are positive and sum to 1 and v <= 1, so a fourth that takes
# what the first three leave makes the entropy smaller, never larger.
_B1, _B2, _B3 = (1 / (2 * _LN_2 * i * (2 * i - 1)) for i in (1, 2, 3))
_B4 = 1 - _B1 - _B2 - _B3

_SLACK = 2.0**-45
"""More than the rounding errors of the sums in a bound."""


@compiled
def _to_beat(feature: int, best_gain: float, best_feature: int, min_gain: float) -> float:
    """What a gain must exceed to win: for a lower feature, an equal gain is enough."""
    if feature < best_feature:
        return max(min_gain, best_gain - GAIN_GRID)
    return best_gain


@compiled
def scan_entropy(
    histogram_FLC: Floats,
    width: int,
    sums_C: Floats,
    num_classes: int,
    parent: float,
    rounding: float,
    work: Work,
    best_left_C: Floats,
    best: Split,
    min_gain: float,
    group_F: npt.NDArray[np.int64],
    upper_F: Floats,
) -> Split:
    """The better one of `best` and the best split by information gain.

    With q the share of the node that goes left, r the share of class k that does, and p the
    classes' shares, the gain is h(q) - sum p h(r), the mean relative entropy of a coin r to a
    coin q.

    Parameters
    ----------
    histogram_FLC, width
        Columns summed over the node's samples at each level, for the first `width` features.
    sums_C, num_classes
        The node's columns, and how many of them are classes.
    parent
        Minus the node's entropy, as a sum of rounded terms.
    rounding
        The constant that rounds terms.
    work
        Scratch, as `prepare_entropy` left it for this node.
    best_left_C
        Where the columns of the left side of the best split are put.
    best, min_gain
        The best split so far, and what a gain must exceed.
    group_F
        Which features these are.
    upper_F
        Where an upper bound of each feature's gain is put.

    Of splits with equal gains the one of the lowest feature is taken, then of the lowest threshold.
    """
    # Taken apart once for many features: each name costs an atomic count of references.
    left_TC, level_T, square_T, bound_T, other_C, weights_C, shares_C, inverses_C = work
    mass = sums_C[num_classes + 1]
    inverse = 1.0 / mass
    best_gain, best_feature, best_threshold = best
    for f in range(width):
        to_beat = _to_beat(group_F[f], best_gain, best_feature, min_gain)
        num_splits = _left_sides(
            histogram_FLC, f, num_classes, weights_C, left_TC, level_T, square_T
        )
        _weak_bounds(left_TC, square_T, num_splits, num_classes, inverse, bound_T)
        upper = 0.0
        for t in range(num_splits):
            if bound_T[t] < to_beat:
                upper = max(upper, bound_T[t])
                continue
            bound = _strong_bound(left_TC, t, num_classes, inverse, shares_C, inverses_C)
            if bound < to_beat:
                upper = max(upper, min(bound, bound_T[t]))
                continue
            left_C = left_TC[t + 1]
            children = negative_entropy(left_C, num_classes, inverse, rounding, other_C)
            # Its term is there already: the total of the labels is a column too.
            sides = other_C[num_classes + 1]
            for c in range(sums_C.size):
                other_C[c] = sums_C[c] - left_C[c]
            children += negative_entropy(other_C, num_classes, inverse, rounding, other_C)
            sides += other_C[num_classes + 1]
            gain = np.rint((children - sides - parent) / GAIN_GRID) * GAIN_GRID
            upper = max(upper, gain)
            if gain > to_beat:
                to_beat = best_gain = gain
                best_feature, best_threshold = group_F[f], level_T[t]
                best_left_C[:] = left_C
        upper_F[f] = upper
    return best_gain, best_feature, best_threshold


@compiled_any_order
def _left_sides(
    histogram_FLC: Floats,
    f: int,
    num_classes: int,
    weights_C: Floats,
    left_TC: Floats,
    level_T: npt.NDArray[np.int64],
    square_T: Floats,
) -> int:
    """Sum up what goes left of each split, and p r^2. Returns the number of splits."""
    left_TC[0] = 0.0
    num_taken = 0
    for level in range(histogram_FLC.shape[1]):
        # A threshold at an empty level would part the samples as the one before it does.
        if histogram_FLC[f, level, num_classes] == 0:
            continue
        square = 0.0
        for c in range(left_TC.shape[1]):
            left = left_TC[num_taken, c] + histogram_FLC[f, level, c]
            left_TC[num_taken + 1, c] = left
            square += left * left * weights_C[c]
        square_T[num_taken] = square
        level_T[num_taken] = level
        num_taken += 1
    return num_taken - 1


@compiled_any_order
def bound_factor(q: float) -> float:
    """The C of the weak bound.

    Relative entropy is at most C (r - q)^2, where C makes both agree at r = 0 (at r = 1 if
    q > 1/2): C = -log2(1 - q) / q^2, here with a rational function above the logarithm.
    """
    small = min(q, 1.0 - q)
    return (1.0 - 0.5 * small) / (_LN_2 * small * (1.0 - small))


@compiled_any_order
def _weak_bounds(
    left_TC: Floats,
    square_T: Floats,
    num_splits: int,
    num_classes: int,
    inverse: float,
    bound_T: Floats,
) -> None:
    """Bounds that suit weak splits."""
    for t in range(num_splits):
        q = left_TC[t + 1, num_classes + 1] * inverse
        bound_T[t] = bound_factor(q) * (square_T[t] - q * q + _SLACK) + GAIN_GRID


@compiled_any_order
def _strong_bound(
    left_TC: Floats,
    t: int,
    num_classes: int,
    inverse: float,
    shares_C: Floats,
    inverses_C: Floats,
) -> float:
    """A bound that suits strong splits: a polynomial below stands for the coin's entropy h(r)."""
    total = 0.0
    for c in range(shares_C.size):
        odds = 1.0 - 2.0 * left_TC[t + 1, c] * inverses_C[c]
        v = odds * odds
        total += shares_C[c] * v * (_B1 + v * (_B2 + v * (_B3 + v * _B4)))
    q: float = left_TC[t + 1, num_classes + 1] * inverse
    entropy = -q * math.log2(q) - (1.0 - q) * math.log2(1.0 - q)
    return entropy - 1.0 + total + _SLACK + GAIN_GRID


@compiled
def make_work(num_levels: int, width: int) -> Work:
    """Scratch for scans of that many levels and columns."""
    return (
        np.empty((num_levels + 1, width)),
        np.empty(num_levels, dtype=np.int64),
        np.empty(num_levels),
        np.empty(num_levels),
        np.empty(width),
        np.zeros(width),
        np.empty(width),
        np.empty(width),
    )


@compiled
def prepare_entropy(sums_C: Floats, num_classes: int, work: Work) -> None:
    """What the bounds of all splits of a node share: weights, shares and inverses of classes."""
    _, _, _, _, _, weights_C, shares_C, inverses_C = work
    weights_C[:] = 0.0
    shares_C[:] = 0.0
    inverses_C[:] = 0.0
    mass = sums_C[num_classes + 1]
    for k in range(num_classes):
        if sums_C[k] > 0.0:
            weights_C[k] = 1.0 / (sums_C[k] * mass)
            shares_C[k] = sums_C[k] / mass
            inverses_C[k] = 1.0 / sums_C[k]


@compiled_any_order
def _total(terms_C: Floats, num_classes: int) -> float:
    total = 0.0
    for k in range(num_classes):
        total += terms_C[k]
    return total


@compiled
def negative_entropy(
    sums_C: Floats, num_classes: int, inverse: float, rounding: float, terms_C: Floats
) -> float:
    """Sum of p log2(p) over classes, with p = sum * inverse.

    `terms_C` is left with the rounded terms of all columns, and may be `sums_C` itself.
    """
    # Nothing is added up here and all columns are taken, so that the loop runs on vectors.
    for c in range(sums_C.size):
        terms_C[c] = (_share_log_share(sums_C[c] * inverse) + rounding) - rounding
    return _total(terms_C, num_classes)


@compiled
def scan_squared_error(
    histogram_FLC: Floats,
    width: int,
    sums_C: Floats,
    num_classes: int,
    rounding: float,
    work: Work,
    best_left_C: Floats,
    best: Split,
    min_gain: float,
    group_F: npt.NDArray[np.int64],
    upper_F: Floats,
) -> Split:
    """The better one of `best` and the best split by squared error; see `scan_entropy`."""
    left_TC, level_T, square_T, _, other_C, weights_C, _, _ = work
    count = sums_C[num_classes]
    best_gain, best_feature, best_threshold = best
    parent = square_terms(sums_C, num_classes, count, rounding, other_C)
    for f in range(width):
        to_beat = _to_beat(group_F[f], best_gain, best_feature, min_gain)
        num_splits = _left_sides(
            histogram_FLC, f, num_classes, weights_C, left_TC, level_T, square_T
        )
        upper = 0.0
        for t in range(num_splits):
            left_C = left_TC[t + 1]
            children = square_terms(left_C, num_classes, count, rounding, other_C)
            for c in range(sums_C.size):
                other_C[c] = sums_C[c] - left_C[c]
            children += square_terms(other_C, num_classes, count, rounding, other_C)
            gain = np.rint((children - parent) / GAIN_GRID) * GAIN_GRID
            upper = max(upper, gain)
            if gain > to_beat:
                to_beat = best_gain = gain
                best_feature, best_threshold = group_F[f], level_T[t]
                best_left_C[:] = left_C
        upper_F[f] = upper
    return best_gain, best_feature, best_threshold


@compiled
def square_terms(
    sums_C: Floats, num_classes: int, node_count: float, rounding: float, terms_C: Floats
) -> float:
    weight = SQUARE_UNIT / (sums_C[num_classes] * node_count)
    for c in range(sums_C.size):
        terms_C[c] = (sums_C[c] * sums_C[c] * weight + rounding) - rounding
    return _total(terms_C, num_classes)
