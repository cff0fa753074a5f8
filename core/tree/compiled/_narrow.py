"""Compiled: the best split of a node where a row's columns fit into one vector.

`_scan` looks at one side of a split after the other. Where rows are narrow that takes
longer than their sums, for processors cannot foresee how long lists and levels are. So here all
lists of a node are one stream of entries, looked at in blocks of sixteen (`_blocks`), and
few blocks hold a split that has to be looked at more closely.

For the stream, rows are taken less the mean of the node, on a scale on which the squares of a
side's sums tell a bound of its gain, and rounded to whole numbers. So their sums are exact, apart
from that rounding: half a unit a row.

Shape letters: N rows, D features, C columns, E room for entries, J seeds or leaders.
"""

import math

import numpy as np

from core.tree._gain import GAIN_GRID, UNIT, Floats
from core.tree.compiled._best import Split, better_split, is_behind
from core.tree.compiled._blocks import (
    ANY_ROW,
    COUNTS,
    ENDS,
    LAST_ENTRIES,
    NO_ROW,
    SQUARES,
    look_at_blocks,
    lowest_bit,
)
from core.tree.compiled._bounds import even_bound, slack_of_singles
from core.tree.compiled._compile import compiled, compiled_any_order
from core.tree.compiled._exact import entropy_gain, squared_error_gain
from core.tree.compiled._lists import Counts, Entries, Rows, as_int, mark_starts
from core.tree.compiled._llvm import LANES
from core.tree.compiled._records import NO_FEATURE, Rules, Scratch, Table
from core.tree.compiled._scan import ROWS_OF_A_PORTION, lead, prepare_node
from core.tree.compiled._sets import MAX_ROWS_OF_SET, has_set, number_rows, put_set, set_of_side
from core.tree.compiled._vectors import (
    add_rows,
    gain_by_entropy_of_doubles,
    gain_by_entropy_of_ints,
    least_variance_of_doubles,
)

MAX_ROWS_OF_STREAM = 2**16
"""In larger nodes the rounding of rows would be felt in the bounds."""

_UNIT = 2.0**-30
"""Of a sum of rows on their scale."""

_ROUNDING = 2.0**-9
_BITS_OF_BLOCK = 2**LANES - 1
_LN_2 = math.log(2)


@compiled
def scan_narrow(
    table: Table,
    rules: Rules,
    scratch: Scratch,
    rows_N: Rows,
    sums_C: Floats,
    parent: float,
    entries_E: Entries,
    start: int,
    lengths_D: Counts,
    first: int,
    last: int,
    seeds_J: Rows,
    leaders_J: Rows,
) -> Split:
    """As `_scan.scan_node`, which tells of the parameters, for lists that are made.

    No bounds of features are kept. The bound of a split that comes from the stream is that of
    `_bounds.is_below` or `squared_error_bound`, with the share of rows for that of the
    labels' total, which is no farther off than 0.997.
    """
    columns_NC, references_D = table.columns_NC, table.references_D
    portion_C, side_C, other_C = scratch.portion_C, scratch.side_C, scratch.other_C
    bits_N2, sets_S2 = scratch.bits_N2, scratch.sets_S2
    best_left_C, terms_C = scratch.best_left_C, scratch.terms_C
    num_classes, by_entropy = rules.num_classes, rules.by_entropy
    count = rows_N.size
    prepare_node(sums_C, rules, scratch)
    put_centred(table, rules, rows_N, sums_C, scratch)
    mark_starts(entries_E, start, lengths_D[first:last], references_D[first:last], rules.num_levels)
    at_entries, at_columns = entries_E.ctypes.data, columns_NC.ctypes.data
    at_rows, at_state = scratch.centred_NC.ctypes.data, scratch.state_VC.ctypes.data
    at_portion, at_side = portion_C.ctypes.data, side_C.ctypes.data
    at_inverses, at_shares = scratch.inverses_C.ctypes.data, scratch.shares_C.ctypes.data
    counts_16 = scratch.state_VC[COUNTS]
    squares_16 = scratch.state_VC[SQUARES].view(np.float32)
    inverse = 1.0 / sums_C[num_classes] if by_entropy else 1.0 / count
    slack = slack_of_singles(LANES)
    # Each column is off by half a unit a row and a little more, all of them by at most the root of
    # the sum of squares, E. So the sum of squares is at most (1 + r) S + (1 + 1 / r) E^2.
    scale = _UNIT**2 * (1 + _ROUNDING)
    slack_of_units = _UNIT**2 / _ROUNDING * LANES * (0.51 * count) ** 2
    if by_entropy:
        curve, factor, inverse_count = 0.5, _LN_2, 0.997 / count
    else:
        curve, factor, inverse_count = 0.0, 0.25, 1.0 / count
    best_gain, best_feature, best_threshold = rules.min_gain, NO_FEATURE, 0
    leaders_J[:] = NO_FEATURE
    scratch.leads_J[:] = 0.0
    least_of_leaders = 0.0
    is_small = count <= MAX_ROWS_OF_SET
    whole = rows = (np.uint64(0), np.uint64(0))
    if is_small:
        # Sets whose split is worse than the best one, or not before it among equals.
        sets_S2[:] = 0
        whole = number_rows(rows_N, bits_N2)
    lone_row = ANY_ROW
    num_seeds = seeds_J.size
    for turn in range(num_seeds + 1):
        # First one list at a time, those of the seeds, then all of them.
        d, i = first, start
        if turn < num_seeds:
            if seeds_J[turn] == NO_FEATURE:
                continue
            while d < seeds_J[turn]:
                i += lengths_D[d]
                d += 1
            stop = i + lengths_D[d]
        else:
            stop = i
            for other in range(first, last):
                stop += lengths_D[other]
            if is_small and by_entropy:
                lone_row = _lone_row(at_columns, rows_N, at_inverses, at_shares, best_gain - slack)
        start_of_list, stop_of_list = i, i + lengths_D[d]
        upper = 0.0
        _begin_stream(entries_E, i, stop, scratch)
        while i < stop + LANES:
            found = look_at_blocks(
                at_entries + 4 * i,
                stop - i,
                at_rows,
                at_state,
                count,
                np.float32(inverse_count),
                np.float32(curve),
                np.float32(scale),
                np.float32(slack_of_units),
                np.float32((best_gain - 2 * GAIN_GRID) * factor),
                lone_row,
            )
            i += found >> LANES
            bits = found & _BITS_OF_BLOCK
            while bits != 0:
                lane = lowest_bit(bits)
                bits &= bits - 1
                end = i - 2 * LANES + lane + 1
                if end > stop_of_list:
                    if turn == num_seeds and upper > least_of_leaders:
                        least_of_leaders = lead(d, upper, leaders_J, scratch.leads_J)
                    upper = 0.0
                    while end > stop_of_list:
                        d += 1
                        start_of_list, stop_of_list = stop_of_list, stop_of_list + lengths_D[d]
                num_side = as_int(counts_16[lane])
                begin = end - num_side
                if is_small:
                    rows = set_of_side(entries_E, begin, end, bits_N2, whole)
                    if has_set(sets_S2, rows):
                        continue
                is_few = num_side <= ROWS_OF_A_PORTION
                if is_few:
                    add_rows(at_portion, at_columns, 1, at_entries, begin, end, True)
                else:
                    side_C[:] = 0.0
                    for j in range(begin, end, ROWS_OF_A_PORTION):
                        k = min(j + ROWS_OF_A_PORTION, end)
                        add_rows(at_portion, at_columns, 1, at_entries, j, k, True)
                        for c in range(LANES):
                            side_C[c] += portion_C[c]
                if by_entropy:
                    if is_few:
                        near = gain_by_entropy_of_ints(at_portion, at_inverses, at_shares, 1)
                    else:
                        near = gain_by_entropy_of_doubles(at_side, at_inverses, at_shares, 1)
                    bound = float(near) + slack
                    if bound < best_gain:
                        if is_small:
                            put_set(sets_S2, rows)
                        upper = max(upper, bound)
                        continue
                if is_few:
                    for c in range(LANES):
                        side_C[c] = portion_C[c]
                for c in range(LANES):
                    other_C[c] = sums_C[c] - side_C[c]
                if not by_entropy:
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
                elif best_feature != NO_FEATURE and _is_same(side_C, other_C, best_left_C):
                    gain = best_gain
                else:
                    variance = least_variance_of_doubles(at_side, at_inverses, 1)
                    squares = scale * float(squares_16[lane]) + slack_of_units
                    share = side_C[num_classes] * inverse
                    bound = even_bound(squares, share, float(variance))
                    if bound < best_gain:
                        upper = max(upper, bound)
                        continue
                    gain = entropy_gain(
                        side_C, other_C, num_classes, inverse, parent, rules.rounding, terms_C
                    )
                upper = max(upper, gain)
                best = (best_gain, best_feature, best_threshold)
                if is_behind(gain, d, best):
                    if is_small and turn == num_seeds:
                        put_set(sets_S2, rows)
                    continue
                best_gain, best_feature, best_threshold = better_split(
                    best,
                    gain,
                    d,
                    entries_E,
                    end,
                    start_of_list,
                    stop_of_list,
                    count,
                    as_int(references_D[d]),
                    rules.num_levels,
                    side_C,
                    other_C,
                    best_left_C,
                )
        if turn == num_seeds and upper > least_of_leaders:
            least_of_leaders = lead(d, upper, leaders_J, scratch.leads_J)
    return best_gain, best_feature, best_threshold


@compiled
def put_centred(table: Table, rules: Rules, rows_N: Rows, sums_C: Floats, scratch: Scratch) -> None:
    """Write the rows of a node, less its mean, on a scale on which sums of any stay below 2^30.

    With t the node's sums and T their total, those by entropy are divided by the roots of t T.
    """
    num_classes = rules.num_classes
    count = rows_N.size
    means_C, factors_C, centred_NC = scratch.side_C, scratch.other_C, scratch.centred_NC
    means_C[:] = 0.0
    factors_C[:] = 0.0
    for k in range(num_classes):
        if not rules.by_entropy:
            means_C[k] = sums_C[k] / count
            factors_C[k] = UNIT / (_UNIT * count)
        elif sums_C[k] > 0.0:
            means_C[k] = sums_C[k] / sums_C[num_classes]
            factors_C[k] = 1.0 / (_UNIT * math.sqrt(sums_C[k] * sums_C[num_classes]))
    for i in range(count):
        row = rows_N[i]
        total = float(table.columns_NC[row, num_classes]) if rules.by_entropy else 1.0
        for c in range(LANES):
            off = table.columns_NC[row, c] - total * means_C[c]
            centred_NC[row, c] = np.int32(np.rint(off * factors_C[c]))


@compiled
def _begin_stream(entries_E: Entries, start: int, stop: int, scratch: Scratch) -> None:
    scratch.state_VC[ENDS] = 0
    last_entries_16 = scratch.state_VC[LAST_ENTRIES].view(np.uint32)
    start_of_last = start + max(0, stop - start - 1) // LANES * LANES
    for k in range(LANES):
        is_there = start_of_last + k < stop
        last_entries_16[k] = entries_E[start_of_last + k] if is_there else np.uint32(0)


@compiled
def _lone_row(at_columns: int, rows_N: Rows, at_inverses: int, at_shares: int, least: float) -> int:
    """The row that, alone on one side, may have a gain of `least` or more; or `NO_ROW`.

    `ANY_ROW` if there are more of them.
    """
    lone_row = NO_ROW
    for i in range(rows_N.size):
        at_row = at_columns + 4 * LANES * rows_N[i]
        near = gain_by_entropy_of_ints(at_row, at_inverses, at_shares, 1)
        if float(near) >= least:
            if lone_row != NO_ROW:
                return ANY_ROW
            lone_row = rows_N[i]
    return lone_row


@compiled_any_order
def _is_same(side_C: Floats, other_C: Floats, best_left_C: Floats) -> bool:
    """Whether a split parts a node's labels as the best one does."""
    off_side = off_other = 0.0
    for c in range(LANES):
        off_side += abs(side_C[c] - best_left_C[c])
        off_other += abs(other_C[c] - best_left_C[c])
    return off_side == 0.0 or off_other == 0.0
