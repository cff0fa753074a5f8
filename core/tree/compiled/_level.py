"""Compiled: one thread's look at its features in all nodes of a level.

For each larger node and feature a bound is kept of what the feature's best split could gain. With
impurities times weights, less what the rows have alone, a node's total is F and a split's children
hold G <= F in total. Another row never lowers G, so F - G bounds the gain of all later splits at
the feature, until it is looked at again. Most features' bounds stay below the best gain.

Shape letters: N rows, D features, L levels, K classes, C columns, F features of a slice, E room for
entries, V visits.
"""

import math

import numpy as np

from core.tree._gain import UNIT, Floats
from core.tree.compiled._compile import compiled
from core.tree.compiled._lists import Entries, Rows, as_int, make_list, part_lists
from core.tree.compiled._llvm import LANES
from core.tree.compiled._narrow import MAX_ROWS_OF_STREAM, scan_narrow
from core.tree.compiled._records import (
    KNOWN,
    NEW,
    NO_SLOT,
    NO_VISIT,
    Order,
    Places,
    Results,
    Rules,
    Scratch,
    Singles,
    Table,
    Visits,
)
from core.tree.compiled._scan import scan_node

_LOG_OF_ROW = math.log2(0.999 / UNIT) - 2.0**-18
"""Of the least total of a row's labels, in units, less what single precision adds to `sides_DL`."""


@compiled
def scan_level(
    table: Table,
    num_old: int,
    rules: Rules,
    places: Places,
    order: Order,
    above: Visits,
    above_E: Entries,
    visits: Visits,
    entries_E: Entries,
    results: Results,
    scratch: Scratch,
    upper_D: Floats,
    slice_index: int,
    first: int,
    last: int,
) -> None:
    """Look at features `first` to `last` - 1 in all visits of a level."""
    # A slice has its own part of the memory, and a new node the part of that where its lists fit in
    # any case. Its children share what it took. `part_lists` writes one entry behind the last, so
    # each node has as many more as it has rows.
    room = last - first + 1
    offset = (first + slice_index) * order.order_N.size
    offset_V, above_offset_V = visits.offset_SV[slice_index], above.offset_SV[slice_index]
    lengths_N = scratch.lengths_N
    unused_F = np.empty(last - first, dtype=np.int32)
    for v in range(above.place_V.size):
        left, right = above.left_V[v], above.right_V[v]
        if left == NO_VISIT and right == NO_VISIT:
            continue
        start, num_left = above.start_V[v], above.num_left_V[v]
        start_left = start_right = above_offset_V[v]
        for i in range(start, start + num_left):
            start_right += lengths_N[order.order_N[i]] + 1
        part_lists(
            above_E,
            above_offset_V[v],
            above.lengths_VD[v, first:last],
            order.goes_left_N,
            entries_E,
            start_left,
            visits.lengths_VD[left, first:last] if left != NO_VISIT else unused_F,
            start_right,
            visits.lengths_VD[right, first:last] if right != NO_VISIT else unused_F,
        )
        if left != NO_VISIT:
            offset_V[left] = start_left
        if right != NO_VISIT:
            offset_V[right] = start_right
    is_narrow = table.columns_NC.shape[1] == LANES
    for v in range(visits.place_V.size):
        place, start, count = visits.place_V[v], visits.start_V[v], visits.count_V[v]
        rows_N = order.order_N[start : start + count]
        kind = visits.kind_V[v]
        weight, total = visits.weight_V[v], visits.total_V[v]
        slot = places.slot_P[place]
        if kind == KNOWN:
            if rules.by_entropy:
                raise_children(
                    table,
                    places.children_BD[slot],
                    places.sides_BDL[slot],
                    rows_N,
                    num_old,
                    places.sums_PC[place],
                    rules.num_classes,
                    first,
                    last,
                    scratch.terms_C,
                )
            slack = visits.slack_V[v]
            for d in range(first, last):
                upper_D[d] = (total - places.children_BD[slot, d]) / weight + slack
        else:
            for d in range(first, last):
                upper_D[d] = np.inf
        if kind == NEW:
            offset_V[v] = end = offset + room * start
            for i in range(count):
                lengths_N[rows_N[i]] = 0
            for d in range(first, last):
                visits.lengths_VD[v, d] = make_list(
                    table.levels_DN[d],
                    rows_N,
                    as_int(table.references_D[d]),
                    rules.num_levels,
                    entries_E[end:],
                    scratch.unsorted_N,
                    scratch.places_2L,
                    lengths_N,
                )
                end += visits.lengths_VD[v, d]
        if is_narrow and slot == NO_SLOT and count <= MAX_ROWS_OF_STREAM:
            gain, feature, threshold = scan_narrow(
                table,
                rules,
                scratch,
                rows_N,
                places.sums_PC[place],
                visits.parent_V[v],
                entries_E,
                offset_V[v],
                visits.lengths_VD[v],
                first,
                last,
                visits.seeds_SVJ[slice_index, v],
                results.leaders_SVJ[slice_index, v],
            )
        else:
            gain, feature, threshold = scan_node(
                table,
                rules,
                scratch,
                rows_N,
                places.sums_PC[place],
                visits.parent_V[v],
                entries_E,
                offset_V[v],
                visits.lengths_VD[v],
                kind == KNOWN,
                first,
                last,
                visits.seeds_SVJ[slice_index, v],
                results.leaders_SVJ[slice_index, v],
                upper_D,
                slot != NO_SLOT,
                places.sides_BDL[max(slot, 0)],
            )
        results.gain_SV[slice_index, v] = gain
        results.feature_SV[slice_index, v] = feature
        results.threshold_SV[slice_index, v] = threshold
        results.left_SVC[slice_index, v] = scratch.best_left_C
        if slot != NO_SLOT:
            for d in range(first, last):
                places.children_BD[slot, d] = total - upper_D[d] * weight


@compiled
def raise_children(
    table: Table,
    children_D: Floats,
    sides_DL: Singles,
    rows_N: Rows,
    num_old: int,
    sums_C: Floats,
    num_classes: int,
    first: int,
    last: int,
    logs_C: Floats,
) -> None:
    """Add to the bounds G what a node's new rows raise them by, at least.

    A row of labels y with total m, on a side whose labels then sum to S with total M, raises that
    side's impurity times weight, less what the row has alone, by at least the sum over classes of
    y_k log2(y_k / m) - y_k log2(S_k / M), for impurity is concave. S_k is at most the node's sum,
    and M is at least the total of the rows whose number `sides_DL` tells.
    """
    for k in range(num_classes):
        logs_C[k] = math.log2(max(sums_C[k], 1.0))
    for i in range(rows_N.size - 1, -1, -1):
        row = rows_N[i]
        if row < num_old:
            break
        weight = float(table.columns_NC[row, num_classes])
        rise = -table.own_N[row]
        for k in range(num_classes):
            rise -= table.columns_NC[row, k] * logs_C[k]
        for d in range(first, last):
            log_of_rows = sides_DL[d, table.levels_DN[d, row]]
            children_D[d] += max(0.0, rise + weight * (_LOG_OF_ROW + log_of_rows))
