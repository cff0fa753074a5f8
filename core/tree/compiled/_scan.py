"""Compiled: the best split of a node among some features.

The rows of a feature's list are added up in its order, so that the running sum is one side of a
split after the other. The gain of a split by entropy takes two logarithms per class; cheap upper
bounds come first, and the gain is computed only where they reach the best gain so far.

Sums of rows are kept as int32 while they cannot overflow: an entry is at most 1.001 * 2^24, so 127
rows stay below 2^31. Larger nodes move such portions into float64, where they stay exact.

Shape letters: N samples, D features, L levels, K classes, C columns: the K classes, the total of
their labels, and padding.
"""

import numpy as np

from core.tree._gain import SQUARE_UNIT, Floats
from core.tree.compiled._best import Split, better_split, is_behind
from core.tree.compiled._bounds import (
    even_bound,
    fewest_rows,
    is_below,
    largest_divergence,
    slack_of_singles,
    squared_error_bound,
)
from core.tree.compiled._compile import compiled
from core.tree.compiled._exact import entropy_gain, squared_error_gain
from core.tree.compiled._lists import (
    Counts,
    Entries,
    Rows,
    as_int,
    log_sides,
    make_list,
    rank_of,
)
from core.tree.compiled._llvm import LANES
from core.tree.compiled._records import NO_FEATURE, Rules, Scratch, Singles, Table
from core.tree.compiled._vectors import (
    add_rows,
    centred_squares_of_doubles,
    centred_squares_of_ints,
    gain_by_entropy_of_doubles,
    gain_by_entropy_of_ints,
    least_variance_of_doubles,
    least_variance_of_ints,
)

ROWS_OF_A_PORTION = 127


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
        Where it is then put how many rows stand at least on the side of a row at a level, as
        `log_sides` does.
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
                scratch.places_2L,
                scratch.lengths_N,
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
            log_sides(entries_N, i, stop, count, reference, sides_DL[d])
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
                    bound = squared_error_bound(np.float64(squares), num_side, count, num_classes)
                elif not keeps_bounds and is_below(np.float64(squares), share, best_gain):
                    continue
                else:
                    if is_few:
                        variance = least_variance_of_ints(at_portion, at_inverses, num_vectors)
                    else:
                        variance = least_variance_of_doubles(at_side, at_inverses, num_vectors)
                    even = even_bound(np.float64(squares), share, np.float64(variance))
                    if even < best_gain and not keeps_bounds:
                        continue
                    if is_few:
                        near = gain_by_entropy_of_ints(
                            at_portion, at_inverses, at_shares, num_vectors
                        )
                    else:
                        near = gain_by_entropy_of_doubles(
                            at_side, at_inverses, at_shares, num_vectors
                        )
                    bound = min(even, np.float64(near) + slack)
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
                best = (best_gain, best_feature, best_threshold)
                if is_behind(gain, d, best):
                    continue
                best_gain, best_feature, best_threshold = better_split(
                    best,
                    gain,
                    d,
                    entries_N,
                    i,
                    stop - length,
                    stop,
                    count,
                    reference,
                    rules.num_levels,
                    side_C,
                    other_C,
                    best_left_C,
                )
                if by_entropy and not keeps_bounds:
                    fewest = fewest_rows(best_gain, count, divergence)
        if turn >= first:
            upper_D[d] = upper
            if upper > least_of_leaders:
                least_of_leaders = lead(d, upper, leaders_J, leads_J)
    return best_gain, best_feature, best_threshold


@compiled
def lead(d: int, gain: float, leaders_J: Rows, leads_J: Floats) -> float:
    """Put a feature among the leaders in place of the least of them. Returns the new least gain."""
    j = np.argmin(leads_J)
    leaders_J[j], leads_J[j] = d, gain
    return float(leads_J.min())
