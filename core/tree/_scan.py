"""Compiled: the best split of a node among some features.

The rows of a feature's list are added up in its order, so that the running sum is one side of a
split after the other. The gain of a split by entropy takes two logarithms per class; cheap upper
bounds come first, and the gain is computed only where they reach the best gain so far.

Sums of rows are kept as int32 while they cannot overflow: an entry is at most 1.001 * 2^24, so 127
rows stay below 2^31. Larger nodes move such portions into float64, where they stay exact.

Shape letters: N samples, D features, L levels, K classes, C columns: the K classes, the total of
their labels, and padding.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.tree._compiled import compiled, compiled_any_order
from core.tree._gain import GAIN_GRID, SQUARE_UNIT, Floats, share_log_share
from core.tree._lists import Bytes, Counts, Entries, Rows, as_int, level_of, make_list, rank_of
from core.tree._vectors import (
    LANES,
    add_rows,
    centred_squares_of_doubles,
    centred_squares_of_ints,
    gain_by_entropy_of_doubles,
    gain_by_entropy_of_ints,
    least_variance_of_doubles,
    least_variance_of_ints,
)

Singles = npt.NDArray[np.float32]
Columns = npt.NDArray[np.int32]

Split = tuple[float, int, int]
"""Gain, feature and threshold."""

NO_FEATURE = -1
NUM_LEADERS = 4
"""Features of the largest gains in a node, which its children look at first."""
ROWS_OF_A_PORTION = 127

_LN_2 = math.log(2)
_LN_4 = math.log(4)

_RELATIVE = 1 + 2.0**-13
"""More than what single precision does to a sum of squares."""

_share_log_share = compiled(share_log_share)


class Rules(NamedTuple):
    """What stays the same while a tree grows."""

    num_features: int
    num_classes: int
    num_levels: int
    max_depth: int
    min_gain: float
    by_entropy: bool
    rounding: float
    """The constant that rounds terms."""
    grows_on: bool
    """Whether rows will be added to the tree."""


class Table(NamedTuple):
    """All rows so far."""

    levels_DN: Bytes
    columns_NC: Columns
    references_D: Bytes
    """The level that a feature's lists leave out."""
    own_N: Floats
    """What a row alone would have as impurity, times its weight."""


class Scratch(NamedTuple):
    """Room for one thread's work on one node."""

    entries_N: Entries
    unsorted_N: Entries
    counts_L: Rows
    lengths_N: Counts
    """In how many of the slice's lists a row is."""
    portion_C: Columns
    side_C: Floats
    """The side of a split so far; of a small node it is in `portion_C` instead."""
    other_C: Floats
    terms_C: Floats
    best_left_C: Floats
    totals_C: Singles
    weights_C: Singles
    inverses_C: Singles
    shares_C: Singles
    leads_J: Floats
    """Gains of the leading features, or a little more."""


@compiled
def prepare_node(sums_C: Floats, rules: Rules, scratch: Scratch) -> None:
    """What the bounds of all splits of a node share."""
    scratch.totals_C[:] = sums_C
    scratch.weights_C[:] = 0
    scratch.inverses_C[:] = 0
    scratch.shares_C[:] = 0
    if not rules.by_entropy:
        scratch.weights_C[: rules.num_classes] = SQUARE_UNIT
        return
    mass = sums_C[rules.num_classes]
    for k in range(rules.num_classes):
        if sums_C[k] > 0.0:
            scratch.weights_C[k] = 1.0 / (sums_C[k] * mass)
            scratch.inverses_C[k] = 1.0 / sums_C[k]
            scratch.shares_C[k] = sums_C[k] / mass
    # The gain is the entropy of a coin of the sides' shares less the mean of those of the classes'.
    scratch.inverses_C[rules.num_classes] = 1.0 / mass
    scratch.shares_C[rules.num_classes] = -1.0


@compiled
def scan_node(
    table: Table,
    rules: Rules,
    scratch: Scratch,
    rows_N: Rows,
    sums_C: Floats,
    parent: float,
    entries_E: Entries,
    start: int,
    lengths_D: Counts,
    makes_lists: bool,
    first: int,
    last: int,
    seeds_J: Rows,
    leaders_J: Rows,
    upper_D: Floats,
    keeps_bounds: bool,
    sides_DL: Singles,
) -> Split:
    """The best split of a node by features `first` to `last` - 1, and by seeds outside of them.

    Leaves the columns of its left side in `scratch.best_left_C`. Of splits with equal gains the one
    of the lowest feature is taken, then of the lowest threshold.

    Parameters
    ----------
    sums_C, parent
        The node's columns, and minus its impurity as a sum of rounded terms.
    entries_E, start, lengths_D, makes_lists
        Its lists by these features, one after the other, or that they are to be made.
    seeds_J
        Features that are looked at first, for they may have a large gain, or `NO_FEATURE`. Where
        lists are not made they are among the features at hand.
    leaders_J
        Where features of the largest gains are put.
    upper_D
        Upper bounds of features' gains. Features whose bound does not reach the best gain are
        passed over; for the others the bound is made anew.
    keeps_bounds
        Whether these bounds will be used again; if not, only those that reach the best gain hold.
    sides_DL
        Where it is then put how many rows stand at least on the side of a row at a level.
    """
    levels_DN, columns_NC, references_D, _ = table
    portion_C, side_C, other_C, terms_C = (
        scratch.portion_C,
        scratch.side_C,
        scratch.other_C,
        scratch.terms_C,
    )
    own_entries_N = scratch.entries_N
    best_left_C = scratch.best_left_C
    prepare_node(sums_C, rules, scratch)
    at_columns, at_portion, at_side = (
        columns_NC.ctypes.data,
        portion_C.ctypes.data,
        side_C.ctypes.data,
    )
    at_totals, at_weights = scratch.totals_C.ctypes.data, scratch.weights_C.ctypes.data
    at_inverses, at_shares = scratch.inverses_C.ctypes.data, scratch.shares_C.ctypes.data
    num_columns = portion_C.size
    num_vectors = num_columns // LANES
    num_classes = rules.num_classes
    by_entropy = rules.by_entropy
    count = rows_N.size
    is_few = count <= ROWS_OF_A_PORTION
    inverse = 1.0 / sums_C[num_classes] if by_entropy else 1.0 / count
    slack = slack_of_singles(num_columns)
    best_gain, best_feature, best_threshold = rules.min_gain, NO_FEATURE, 0
    fewest, divergence = 1, 0.0
    if by_entropy and not keeps_bounds:
        divergence = largest_divergence(table, rows_N, sums_C, num_classes, terms_C)
        fewest = fewest_rows(best_gain, count, divergence)
    leaders_J[:] = NO_FEATURE
    least_of_leaders = 0.0
    leads_J = scratch.leads_J
    leads_J[:] = 0.0
    num_seeds = seeds_J.size
    for turn in range(first - num_seeds, last):
        d = turn
        if turn < first:
            d = seeds_J[turn - first + num_seeds]
            if d == NO_FEATURE:
                continue
        elif upper_D[d] < best_gain:
            continue
        reference = as_int(references_D[d])
        if makes_lists:
            i = 0
            entries_N = own_entries_N
            length = make_list(
                levels_DN[d],
                rows_N,
                reference,
                rules.num_levels,
                entries_N,
                scratch.unsorted_N,
                scratch.counts_L,
            )
        else:
            i = start
            entries_N = entries_E
            length = as_int(lengths_D[d])
            if turn >= first:
                start += length
            else:
                for other in range(first, d):
                    i += lengths_D[other]
            if length < fewest and not keeps_bounds:
                continue
        at_entries = entries_N.ctypes.data
        first_below = rules.num_levels - 1 - reference
        stop = i + length
        upper = 0.0
        if keeps_bounds:
            count_sides(entries_N, i, stop, count, reference, sides_DL[d])
        for run in range(2):
            # First the levels above the reference, then those below it.
            end = stop
            if run == 0 and reference > 0:
                end = i
                while end < stop and rank_of(entries_N[end]) < first_below:
                    end += 1
            if i == end:
                continue
            num_side = 0
            if not is_few:
                for c in range(num_columns):
                    side_C[c] = 0.0
            while True:
                # Sides of too few rows are added up, but not looked at.
                j = i + max(1, fewest - num_side)
                if j > end:
                    i = end
                    break
                rank = rank_of(entries_N[j - 1])
                while j < end and rank_of(entries_N[j]) == rank:
                    j += 1
                is_first = num_side == 0
                num_side += j - i
                if num_side > count - fewest:
                    i = end
                    break
                if is_few:
                    add_rows(at_portion, at_columns, num_vectors, at_entries, i, j, is_first)
                else:
                    while i < j:
                        k = min(j, i + ROWS_OF_A_PORTION)
                        add_rows(at_portion, at_columns, num_vectors, at_entries, i, k, True)
                        for c in range(num_columns):
                            side_C[c] += portion_C[c]
                        i = k
                i = j
                # From 0 to 1: the share of the side.
                if by_entropy:
                    share = (portion_C[num_classes] if is_few else side_C[num_classes]) * inverse
                else:
                    share = num_side * inverse
                if is_few:
                    squares = centred_squares_of_ints(
                        at_portion, at_totals, at_weights, np.float32(share), num_vectors
                    )
                else:
                    squares = centred_squares_of_doubles(
                        at_side, at_totals, at_weights, np.float32(share), num_vectors
                    )
                if not by_entropy:
                    bound = _squared_error_bound(np.float64(squares), num_side, count, num_classes)
                elif not keeps_bounds and _is_below(np.float64(squares), share, best_gain):
                    continue
                else:
                    if is_few:
                        variance = least_variance_of_ints(at_portion, at_inverses, num_vectors)
                    else:
                        variance = least_variance_of_doubles(at_side, at_inverses, num_vectors)
                    even_bound = _even_bound(np.float64(squares), share, np.float64(variance))
                    if even_bound < best_gain:
                        upper = max(upper, even_bound)
                        continue
                    if is_few:
                        near = gain_by_entropy_of_ints(
                            at_portion, at_inverses, at_shares, num_vectors
                        )
                    else:
                        near = gain_by_entropy_of_doubles(
                            at_side, at_inverses, at_shares, num_vectors
                        )
                    bound = min(even_bound, np.float64(near) + slack)
                if bound < best_gain:
                    upper = max(upper, bound)
                    continue
                if is_few:
                    for c in range(num_columns):
                        side_C[c] = portion_C[c]
                for c in range(num_columns):
                    other_C[c] = sums_C[c] - side_C[c]
                if by_entropy:
                    gain = entropy_gain(
                        side_C, other_C, num_classes, inverse, parent, rules.rounding, terms_C
                    )
                else:
                    gain = squared_error_gain(
                        side_C,
                        other_C,
                        num_classes,
                        num_side,
                        count,
                        parent,
                        rules.rounding,
                        terms_C,
                    )
                upper = max(upper, gain)
                if gain < best_gain or (gain == best_gain and best_feature < d):
                    continue
                # Thresholds at empty levels part the rows as the next lower level does.
                if run == 0 and i < end:
                    rank = rank_of(entries_N[i])
                elif run == 0:
                    rank = rank_of(entries_N[stop - 1])
                if run == 0 and i == end and length < count:
                    threshold = reference
                else:
                    threshold = level_of(rank, reference, rules.num_levels)
                if gain == best_gain and best_feature == d and threshold >= best_threshold:
                    continue
                best_gain, best_feature, best_threshold = gain, d, threshold
                if by_entropy and not keeps_bounds:
                    fewest = fewest_rows(best_gain, count, divergence)
                for c in range(num_columns):
                    best_left_C[c] = other_C[c] if run == 0 else side_C[c]
        if turn >= first:
            upper_D[d] = upper
            if upper > least_of_leaders:
                least_of_leaders = _lead(d, upper, leaders_J, leads_J)
    return best_gain, best_feature, best_threshold


@compiled
def _lead(d: int, gain: float, leaders_J: Rows, leads_J: Floats) -> float:
    """Put a feature among the leaders in place of the least of them. Returns the new least gain."""
    j = np.argmin(leads_J)
    leaders_J[j], leads_J[j] = d, gain
    return float(leads_J.min())


@compiled
def count_sides(
    entries_N: Entries, start: int, stop: int, count: int, reference: int, sides_L: Singles
) -> None:
    """For each level, the rows at and below it or those at and above it, whichever are fewer."""
    num_levels = sides_L.size
    first_below = num_levels - 1 - reference
    num_above = 0
    num_beyond = 0  # rows in the list before this level, on its side of the reference
    i = start
    for rank in range(num_levels - 1):
        if rank == first_below:
            num_above, num_beyond = num_beyond, 0
        first = i
        while i < stop and rank_of(entries_N[i]) == rank:
            i += 1
        sides_L[level_of(rank, reference, num_levels)] = min(
            num_beyond + i - first, count - num_beyond
        )
        num_beyond += i - first
    if reference == 0:
        num_above, num_beyond = num_beyond, 0
    sides_L[reference] = count - max(num_above, num_beyond)


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


@compiled
def slack_of_singles(num_columns: int) -> float:
    """More than the error of a gain by entropy in single precision.

    A share r errs by 2^-22 at most, which near 0 and 1 changes the entropy of its coin by as much
    as 2^-22 (22 + 1.45); so do the classes' coins, whose weights sum to 1, and that of the sides.
    Logarithms err by less, and sums of 64 parts by 2^-24 of their value at each step.
    """
    return 2.0**-16 + 2.0**-29 * num_columns


@compiled_any_order
def _is_below(squares: float, share: float, gain: float) -> bool:
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
def _even_bound(squares: float, share: float, variance: float) -> float:
    """No less than the gain by entropy, and hardly more where all classes split alike.

    The relative entropy of a coin r to a coin q is at most (r - q)^2 / (2 ln 2) times the largest
    1 / (x (1 - x)) between q and r, which is at an end. `variance` is the least r (1 - r) of any
    class, and q lies between their r. For `squares` see `_is_below`. The error of a variance is
    small beside it if it is not too small itself.
    """
    if variance < 2.0**-9:
        return np.inf
    return (squares * (1 + 2.0**-9) + share * 2.0**-30) / (2 * _LN_2 * variance) + GAIN_GRID


@compiled_any_order
def _squared_error_bound(squares: float, num_side: int, count: int, num_classes: int) -> float:
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


@compiled
def entropy_gain(
    side_C: Floats,
    other_C: Floats,
    num_classes: int,
    inverse: float,
    parent: float,
    rounding: float,
    terms_C: Floats,
) -> float:
    """The gain of a split as `core.tree._gain.split_gains` computes it."""
    children = negative_entropy(side_C, num_classes, inverse, rounding, terms_C)
    # Its term is there already: the total of the labels is a column too.
    sides = terms_C[num_classes]
    children += negative_entropy(other_C, num_classes, inverse, rounding, terms_C)
    sides += terms_C[num_classes]
    return float(np.rint((children - sides - parent) / GAIN_GRID)) * GAIN_GRID


@compiled
def squared_error_gain(
    side_C: Floats,
    other_C: Floats,
    num_classes: int,
    num_side: int,
    count: int,
    parent: float,
    rounding: float,
    terms_C: Floats,
) -> float:
    """As `entropy_gain`, for squared error."""
    children = square_terms(side_C, num_classes, num_side, count, rounding, terms_C)
    children += square_terms(other_C, num_classes, count - num_side, count, rounding, terms_C)
    return float(np.rint((children - parent) / GAIN_GRID)) * GAIN_GRID


@compiled
def negative_entropy(
    sums_C: Floats, num_classes: int, inverse: float, rounding: float, terms_C: Floats
) -> float:
    """Sum of p log2(p) over classes, with p = sum * inverse.

    `terms_C` is left with the rounded terms of all columns.
    """
    # Nothing is added up here and all columns are taken, so that the loop runs on vectors.
    for c in range(sums_C.size):
        terms_C[c] = (_share_log_share(sums_C[c] * inverse) + rounding) - rounding
    return _total(terms_C, num_classes)


@compiled
def square_terms(
    sums_C: Floats, num_classes: int, count: int, node_count: int, rounding: float, terms_C: Floats
) -> float:
    """Sum of squared means over classes, times the share of the node."""
    weight = SQUARE_UNIT / (float(count) * float(node_count))
    for c in range(sums_C.size):
        terms_C[c] = (sums_C[c] * sums_C[c] * weight + rounding) - rounding
    return _total(terms_C, num_classes)


@compiled_any_order
def _total(terms_C: Floats, num_classes: int) -> float:
    total = 0.0
    for k in range(num_classes):
        total += terms_C[k]
    return total
