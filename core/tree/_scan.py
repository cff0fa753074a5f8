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

Ints = npt.NDArray[np.int64]
Singles = npt.NDArray[np.float32]
Real = Floats | Singles
Words = npt.NDArray[np.uint64]

Work = tuple[Ints, Ints, Floats, Floats, Floats, Real, Real, Real, Real]

Split = tuple[float, int, int]
"""Gain, feature and threshold."""

_share_log_share = compiled(share_log_share)

_LN_2 = math.log(2)

# h(r) = 1 - (v + v^2 / 6 + v^3 / 15 + ...) / (2 ln 2) with v = (1 - 2r)^2 is the entropy of a
# coin, in bits. All coefficients are positive and sum to 1 and v <= 1, so a fourth that takes
# what the first three leave makes the entropy smaller, never larger.
_B1, _B2, _B3 = (1 / (2 * _LN_2 * i * (2 * i - 1)) for i in (1, 2, 3))
_COEFFICIENTS = (_B1, _B2, _B3, 1 - _B1 - _B2 - _B3)


@compiled
def _to_beat(feature: int, best_gain: float, best_feature: int, min_gain: float) -> float:
    """What a gain must exceed to win: for a lower feature, an equal gain is enough."""
    if feature < best_feature:
        return max(min_gain, best_gain - GAIN_GRID)
    return best_gain


@compiled
def scan_entropy(
    summed_FLX: Floats | Words,
    columns_FLC: Floats | npt.NDArray[np.int32],
    counts_FL: Ints,
    frequent_F: Ints,
    width: int,
    sums_C: Floats,
    num_classes: int,
    parent: float,
    rounding: float,
    slack: float,
    work: Work,
    best_left_C: Floats,
    best: Split,
    min_gain: float,
    group_F: Ints,
    upper_F: Floats,
) -> Split:
    """The better one of `best` and the best split by information gain.

    With q the share of the node on one side, r the share of class k there, and p the classes'
    shares, the gain is h(q) - sum p h(r), the mean relative entropy of a coin r to a coin q.

    Parameters
    ----------
    summed_FLX, columns_FLC
        Columns summed over the node's samples at each level, for the first `width` features; the
        first in a form that can be added up, the second as numbers, in the same memory. What is
        added up stays there.
    counts_FL, frequent_F
        Rows at each level, and the level of most rows, whose columns are not read.
    sums_C, num_classes
        The node's columns, and how many of them are classes.
    parent
        Minus the node's entropy, as a sum of rounded terms.
    rounding
        The constant that rounds terms.
    slack
        More than the rounding errors of the sums in a bound.
    work
        Scratch, as `prepare_entropy` left it for this node. Its precision is that of the bounds.
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
    level_T, side_T, square_T, side_C, other_C, weights_C, shares_C, inverses_C, coefficients_4 = (
        work
    )
    mass = sums_C[num_classes + 1]
    inverse = 1.0 / mass
    best_gain, best_feature, best_threshold = best
    for f in range(width):
        to_beat = _to_beat(group_F[f], best_gain, best_feature, min_gain)
        frequent = frequent_F[f]
        num_left, num_splits = _sides(
            summed_FLX, columns_FLC, counts_FL, frequent, f, weights_C, level_T, side_T, square_T
        )
        upper = 0.0
        for turn in range(num_splits):
            # The splits by their right side stand in falling order.
            t = turn if turn < num_left else num_splits - 1 - (turn - num_left)
            side = side_T[t]
            q = columns_FLC[f, side, num_classes + 1] * inverse
            bound = bound_factor(q) * (square_T[t] - q * q + slack) + GAIN_GRID
            if bound < to_beat:
                upper = max(upper, bound)
                continue
            strong = (
                _strong_bound(columns_FLC, f, side, q, shares_C, inverses_C, coefficients_4)
                + slack
                + GAIN_GRID
            )
            if strong < to_beat:
                upper = max(upper, min(strong, bound))
                continue
            for c in range(sums_C.size):
                side_C[c] = columns_FLC[f, side, c]
            children = negative_entropy(side_C, num_classes, inverse, rounding, other_C)
            # Its term is there already: the total of the labels is a column too.
            sides = other_C[num_classes + 1]
            for c in range(sums_C.size):
                other_C[c] = sums_C[c] - side_C[c]
            children += negative_entropy(other_C, num_classes, inverse, rounding, other_C)
            sides += other_C[num_classes + 1]
            gain = np.rint((children - sides - parent) / GAIN_GRID) * GAIN_GRID
            upper = max(upper, gain)
            if gain > to_beat:
                to_beat = best_gain = gain
                best_feature, best_threshold = group_F[f], level_T[t]
                _put_left(side_C, sums_C, side > frequent, best_left_C)
        upper_F[f] = upper
    return best_gain, best_feature, best_threshold


@compiled
def _put_left(side_C: Floats, sums_C: Floats, is_right: bool, left_C: Floats) -> None:
    for c in range(sums_C.size):
        left_C[c] = sums_C[c] - side_C[c] if is_right else side_C[c]


@compiled_any_order
def _sides(
    summed_FLX: Floats | Words,
    columns_FLC: Floats | npt.NDArray[np.int32],
    counts_FL: Ints,
    frequent: int,
    f: int,
    weights_C: Real,
    level_T: Ints,
    side_T: Ints,
    square_T: Floats,
) -> tuple[int, int]:
    """Add up one side of each split, the one without the most frequent level, and sum p r^2.

    Below that level these are the left sides, and above it the right ones, which are added up from
    the top. Returns how many splits have their left side summed, and how many splits there are.
    """
    num_taken = 0
    before = -1
    for level in range(frequent):
        # A threshold at an empty level would part the samples as the one before it does.
        if counts_FL[f, level]:
            square_T[num_taken] = _add_side(summed_FLX, columns_FLC, f, level, before, weights_C)
            level_T[num_taken] = side_T[num_taken] = before = level
            num_taken += 1
    num_left = num_taken
    before = -1
    for level in range(counts_FL.shape[1] - 1, frequent, -1):
        if counts_FL[f, level]:
            if before >= 0:
                level_T[num_taken - 1] = level
            square_T[num_taken] = _add_side(summed_FLX, columns_FLC, f, level, before, weights_C)
            level_T[num_taken] = frequent
            side_T[num_taken] = before = level
            num_taken += 1
    return num_left, num_taken


@compiled_any_order
def _add_side(
    summed_FLX: Floats | Words,
    columns_FLC: Floats | npt.NDArray[np.int32],
    f: int,
    level: int,
    before: int,
    weights_C: Real,
) -> float:
    """Add to a level what was summed before it, and return its sum of p r^2."""
    if before >= 0:
        for x in range(summed_FLX.shape[2]):
            summed_FLX[f, level, x] += summed_FLX[f, before, x]
    square = weights_C.dtype.type(0)
    for c in range(weights_C.size):
        side = weights_C.dtype.type(columns_FLC[f, level, c])
        square += side * side * weights_C[c]
    return float(square)


@compiled_any_order
def bound_factor(q: float) -> float:
    """The C of the weak bound.

    Relative entropy is at most C (r - q)^2, where C makes both agree at r = 0 (at r = 1 if
    q > 1/2): C = -log2(1 - q) / q^2, here with a rational function above the logarithm.
    """
    small = min(q, 1.0 - q)
    return (1.0 - 0.5 * small) / (_LN_2 * small * (1.0 - small))


@compiled_any_order
def _strong_bound(
    columns_FLC: Floats | npt.NDArray[np.int32],
    f: int,
    side: int,
    q: float,
    shares_C: Real,
    inverses_C: Real,
    coefficients_4: Real,
) -> float:
    """A bound that suits strong splits: a polynomial below stands for the coin's entropy h(r)."""
    b1, b2, b3, b4 = coefficients_4[0], coefficients_4[1], coefficients_4[2], coefficients_4[3]
    one, two = shares_C.dtype.type(1), shares_C.dtype.type(2)
    total = shares_C.dtype.type(0)
    for c in range(shares_C.size):
        odds = one - two * shares_C.dtype.type(columns_FLC[f, side, c]) * inverses_C[c]
        v = odds * odds
        total += shares_C[c] * v * (b1 + v * (b2 + v * (b3 + v * b4)))
    entropy: float = -q * math.log2(q) - (1.0 - q) * math.log2(1.0 - q)
    return entropy - 1.0 + float(total)


def make_work(num_levels: int, width: int, precision: npt.DTypeLike) -> Work:
    """Scratch for scans of that many levels and columns."""
    return (
        np.empty(num_levels, dtype=np.int64),
        np.empty(num_levels, dtype=np.int64),
        np.empty(num_levels),
        np.empty(width),
        np.empty(width),
        np.zeros(width, dtype=precision),
        np.zeros(width, dtype=precision),
        np.zeros(width, dtype=precision),
        np.array(_COEFFICIENTS, dtype=precision),
    )


def bound_slack(width: int, precision: npt.DTypeLike) -> float:
    """More than the error of a bound's sum of that many terms, each made in a few steps.

    The terms are not negative and sum to at most 1, so a step errs by at most half a unit in the
    last place of 1, in whatever order they are added.
    """
    return (width + 16) * float(np.finfo(np.dtype(precision)).eps)


@compiled
def prepare_entropy(sums_C: Floats, num_classes: int, work: Work) -> None:
    """What the bounds of all splits of a node share: weights, shares and inverses of classes."""
    _, _, _, _, _, weights_C, shares_C, inverses_C, _ = work
    weights_C[:] = 0
    shares_C[:] = 0
    inverses_C[:] = 0
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
    counts_FL: Ints,
    frequent_F: Ints,
    width: int,
    sums_C: Floats,
    num_classes: int,
    rounding: float,
    work: Work,
    best_left_C: Floats,
    best: Split,
    min_gain: float,
    group_F: Ints,
    upper_F: Floats,
) -> Split:
    """The better one of `best` and the best split by squared error; see `scan_entropy`."""
    level_T, side_T, square_T, side_C, other_C, weights_C, _, _, _ = work
    count = sums_C[num_classes]
    best_gain, best_feature, best_threshold = best
    parent = square_terms(sums_C, num_classes, count, rounding, other_C)
    for f in range(width):
        to_beat = _to_beat(group_F[f], best_gain, best_feature, min_gain)
        frequent = frequent_F[f]
        num_left, num_splits = _sides(
            histogram_FLC,
            histogram_FLC,
            counts_FL,
            frequent,
            f,
            weights_C,
            level_T,
            side_T,
            square_T,
        )
        upper = 0.0
        for turn in range(num_splits):
            t = turn if turn < num_left else num_splits - 1 - (turn - num_left)
            side = side_T[t]
            for c in range(sums_C.size):
                side_C[c] = histogram_FLC[f, side, c]
            children = square_terms(side_C, num_classes, count, rounding, other_C)
            for c in range(sums_C.size):
                other_C[c] = sums_C[c] - side_C[c]
            children += square_terms(other_C, num_classes, count, rounding, other_C)
            gain = np.rint((children - parent) / GAIN_GRID) * GAIN_GRID
            upper = max(upper, gain)
            if gain > to_beat:
                to_beat = best_gain = gain
                best_feature, best_threshold = group_F[f], level_T[t]
                _put_left(side_C, sums_C, side > frequent, best_left_C)
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
