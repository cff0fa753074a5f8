"""Compiled: growing level by level, and bringing a grown tree up to date with new rows.

A visit is the look at one node of a level. Visits of a level are scanned by several threads, each
with features of its own (`scan_level`), and then closed together (`close_level`): splits are
chosen, rows parted, and the visits of the next level made.

For each larger node and feature a bound is kept of what the feature's best split could gain. With
impurities times weights, less what the rows have alone, a node's total is F and a split's children
hold G <= F in total. Another row never lowers G, so F - G bounds the gain of all later splits at
the feature, until it is looked at again. Most features' bounds stay below the best gain.

Shape letters: N rows, D features, C columns, P places for nodes, V visits, S slices of features, M
nodes.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.tree._compiled import compiled
from core.tree._gain import GAIN_GRID, UNIT, Floats
from core.tree._lists import Bytes, Counts, Entries, Rows, as_int, make_list, part_lists, row_of
from core.tree._scan import (
    NO_FEATURE,
    Rules,
    Scratch,
    Singles,
    Table,
    negative_entropy,
    scan_node,
    square_terms,
)

Indices = npt.NDArray[np.int32]

ROWS_TO_REGROW = 96
"""Up to so many rows a node is grown anew with all below it: few of its bounds would hold."""

_LOG_OF_ROW = math.log2(0.999 / UNIT)
"""Of the least total of a row's labels, in units."""

_SLACK = 4 * GAIN_GRID
"""More than the rounding of a gain and of what a bound takes from it, as a gain."""

NO_VISIT = -1
NO_SLOT = -1

# What a visit knows.
KNOWN = 0
"""A split, or that there is none, and bounds from an earlier look."""
NEW = 1
"""Nothing yet."""
PARTED = 2
"""Lists, which come from its parent's."""


class Places(NamedTuple):
    """Where nodes are kept. The root is at 0; the others stand in any order."""

    feature_P: Indices
    """`NO_FEATURE` for a leaf."""
    threshold_P: Indices
    left_P: Indices
    right_P: Indices
    count_P: Rows
    sums_PC: Floats
    """Column sums."""
    slot_P: Indices
    """Where the bounds of a larger node are, or `NO_SLOT`: it is then grown anew at each look."""
    free_P: Indices
    """The first `num_free_2[0]` of them are places without a node."""
    children_BD: Floats
    """G of each feature's best split, or less."""
    sides_BDL: Singles
    """How many rows stand at least on the side of a row at a level, in a split by the feature."""
    free_B: Indices
    """The first `num_free_2[1]` of them are slots without bounds."""
    num_free_2: Indices


class Visits(NamedTuple):
    """The nodes of a level that are looked at."""

    place_V: Rows
    kind_V: Indices
    start_V: Rows
    """Where its rows are in `order_N`."""
    count_V: Rows
    parent_V: Floats
    """Minus its impurity, as a sum of rounded terms."""
    weight_V: Floats
    total_V: Floats
    """F."""
    slack_V: Floats
    """More than what rounding does to bounds, as a gain."""
    left_V: Rows
    """The visit of the next level that gets the left parts of its lists, or `NO_VISIT`."""
    right_V: Rows
    num_left_V: Rows
    seeds_SVJ: Rows
    """Features that each slice looks at first, or `NO_FEATURE`."""
    lengths_VD: Counts
    """Lengths of its lists."""
    offset_SV: Rows
    """Where each slice has its lists, one after the other."""


class Results(NamedTuple):
    """What each slice found in each visit."""

    gain_SV: Floats
    feature_SV: Rows
    threshold_SV: Rows
    left_SVC: Floats
    leaders_SVJ: Rows
    """Features of the largest gains, or `NO_FEATURE`."""


class Order(NamedTuple):
    """The rows, arranged by node."""

    order_N: Rows
    """Rows of a node stand side by side, in rising order."""
    right_N: Rows
    goes_left_N: Bytes
    """Of a row whose node was split last."""


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
            for d in range(first, last):
                visits.lengths_VD[v, d] = make_list(
                    table.levels_DN[d],
                    rows_N,
                    as_int(table.references_D[d]),
                    rules.num_levels,
                    entries_E[end:],
                    scratch.unsorted_N,
                    scratch.counts_L,
                )
                end += visits.lengths_VD[v, d]
            for i in range(count):
                lengths_N[rows_N[i]] = 0
            for i in range(offset_V[v], end):
                lengths_N[row_of(entries_E[i])] += 1
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
    and M is known to be at least that of the rows in `sides_DL`.
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
            rows_of_side = sides_DL[d, table.levels_DN[d, row]]
            more = rise + weight * (_LOG_OF_ROW + math.log2(rows_of_side + 1.0))
            children_D[d] += max(0.0, more)


@compiled
def close_level(
    table: Table,
    num_old: int,
    rules: Rules,
    places: Places,
    order: Order,
    visits: Visits,
    results: Results,
    below: Visits,
    depth: int,
    terms_C: Floats,
) -> int:
    """Split the nodes of a level, and list the visits of the next one. Returns how many these are.

    Rows from `num_old` on are new.
    """
    num_below = as_int(0)  # as a literal it would have `open_visit` compiled for itself
    for v in range(visits.place_V.size):
        visits.left_V[v] = visits.right_V[v] = NO_VISIT
        place, start, count = visits.place_V[v], visits.start_V[v], visits.count_V[v]
        winner = 0
        for s in range(1, results.gain_SV.shape[0]):
            if _wins(results, s, winner, v):
                winner = s
        feature, threshold = results.feature_SV[winner, v], results.threshold_SV[winner, v]
        rows_N = order.order_N[start : start + count]
        kept = visits.kind_V[v] == KNOWN and feature >= 0 and feature == places.feature_P[place]
        if kept and threshold != places.threshold_P[place]:
            kept = not _moves_old_row(
                table.levels_DN[feature], rows_N, num_old, threshold, places.threshold_P[place]
            )
        if not kept:
            cut_below(place, places)
        places.feature_P[place] = feature
        places.threshold_P[place] = threshold
        if feature == NO_FEATURE:
            continue
        if not kept:
            places.left_P[place] = _take_place(places)
            places.right_P[place] = _take_place(places)
        num_left = _part_rows(table.levels_DN[feature], threshold, rows_N, order)
        visits.num_left_V[v] = num_left
        left, right = as_int(places.left_P[place]), as_int(places.right_P[place])
        for c in range(terms_C.size):
            places.sums_PC[left, c] = results.left_SVC[winner, v, c]
            places.sums_PC[right, c] = places.sums_PC[place, c] - places.sums_PC[left, c]
        for side in range(2):
            child = right if side else left
            child_start = start + num_left if side else start
            child_count = count - num_left if side else num_left
            places.count_P[child] = child_count
            if kept and order.order_N[child_start + child_count - 1] < num_old:
                # Rows stay in their order, so a side has new ones if its last one is new.
                continue
            opened = open_visit(
                table,
                rules,
                places,
                order,
                below,
                num_below,
                child,
                child_start,
                child_count,
                depth + 1,
                terms_C,
            )
            if not opened:
                cut_below(child, places)
                continue
            if visits.kind_V[v] != KNOWN:
                below.kind_V[num_below] = PARTED
                below.seeds_SVJ[:, num_below] = results.leaders_SVJ[:, v]
                if side:
                    visits.right_V[v] = num_below
                else:
                    visits.left_V[v] = num_below
            num_below += 1
    return num_below


@compiled
def open_visit(
    table: Table,
    rules: Rules,
    places: Places,
    order: Order,
    visits: Visits,
    v: int,
    place: int,
    start: int,
    count: int,
    depth: int,
    terms_C: Floats,
) -> bool:
    """Make visit `v` of a node that can be split. Returns whether it can."""
    if depth >= rules.max_depth or count == 1:
        return False
    sums_C = places.sums_PC[place]
    num_classes = rules.num_classes
    own = 0.0
    for i in range(start, start + count):
        own += table.own_N[order.order_N[i]]
    if rules.by_entropy:
        weight = sums_C[num_classes]
        parent = negative_entropy(sums_C, num_classes, 1.0 / weight, rules.rounding, terms_C)
        if parent == 0.0:
            return False
        total = -parent * weight - own
        impurity = -parent
    else:
        weight = float(count)
        parent = square_terms(sums_C, num_classes, count, count, rules.rounding, terms_C)
        total = own - parent * weight
        impurity = own / weight
    is_known = places.slot_P[place] != NO_SLOT
    has_room = places.num_free_2[1] > 0  # in a deep chain of nodes it may run out
    if rules.grows_on and count > ROWS_TO_REGROW and not is_known and has_room:
        places.num_free_2[1] -= 1
        places.slot_P[place] = places.free_B[places.num_free_2[1]]
    visits.place_V[v] = place
    visits.kind_V[v] = KNOWN if is_known else NEW
    visits.start_V[v] = start
    visits.count_V[v] = count
    visits.parent_V[v] = parent
    visits.weight_V[v] = weight
    visits.total_V[v] = total
    visits.seeds_SVJ[:, v] = NO_FEATURE
    # The split so far most likely still is the best one. Of a new node there is none yet.
    visits.seeds_SVJ[:, v, 0] = places.feature_P[place] if is_known else NO_FEATURE
    # F is a difference of sums of up to `count` terms, each rounded.
    visits.slack_V[v] = _SLACK + 2.0**-50 * count * impurity
    return True


@compiled
def _wins(results: Results, s: int, other: int, v: int) -> bool:
    """Whether a slice found a better split than another one."""
    feature, other_feature = results.feature_SV[s, v], results.feature_SV[other, v]
    if feature == NO_FEATURE or other_feature == NO_FEATURE:
        return bool(feature != NO_FEATURE)
    gain, other_gain = results.gain_SV[s, v], results.gain_SV[other, v]
    # Slices may both have looked at the seed, and then found the same.
    return bool(gain > other_gain or (gain == other_gain and feature < other_feature))


@compiled
def _moves_old_row(
    levels_N: Bytes, rows_N: Rows, num_old: int, threshold: int, before: int
) -> bool:
    """Whether another threshold of the same feature sends an old row to the other side."""
    low, high = min(threshold, before), max(threshold, before)
    for i in range(rows_N.size):
        if rows_N[i] >= num_old:
            return False
        if low < levels_N[rows_N[i]] <= high:
            return True
    return False


@compiled
def _part_rows(levels_N: Bytes, threshold: int, rows_N: Rows, order: Order) -> int:
    """Move the rows that go left to the front, in order, and mark them. Returns their number."""
    num_left = 0
    num_right = 0
    for i in range(rows_N.size):
        row = rows_N[i]
        goes_left = levels_N[row] <= threshold
        order.goes_left_N[row] = goes_left
        rows_N[num_left] = row
        order.right_N[num_right] = row
        num_left += goes_left
        num_right += not goes_left
    rows_N[num_left:] = order.right_N[:num_right]
    return num_left


@compiled
def _take_place(places: Places) -> int:
    places.num_free_2[0] -= 1
    place = as_int(places.free_P[places.num_free_2[0]])
    places.feature_P[place] = NO_FEATURE
    places.slot_P[place] = NO_SLOT
    return place


@compiled
def cut_below(place: int, places: Places) -> None:
    """Make a leaf of a node, and give back the places and slots of all nodes below it."""
    if places.feature_P[place] == NO_FEATURE:
        return
    start = places.num_free_2[0]
    _give_back_children(place, places)
    places.feature_P[place] = NO_FEATURE
    while start < places.num_free_2[0]:
        below = places.free_P[start]
        if places.feature_P[below] != NO_FEATURE:
            _give_back_children(below, places)
        if places.slot_P[below] != NO_SLOT:
            places.free_B[places.num_free_2[1]] = places.slot_P[below]
            places.num_free_2[1] += 1
        start += 1


@compiled
def _give_back_children(place: int, places: Places) -> None:
    num_free = places.num_free_2[0]
    places.free_P[num_free] = places.left_P[place]
    places.free_P[num_free + 1] = places.right_P[place]
    places.num_free_2[0] = num_free + 2


@compiled
def number_nodes(places: Places, place_M: Indices, left_M: Indices, right_M: Indices) -> int:
    """Number the nodes breadth-first. Returns how many there are."""
    place_M[0] = 0
    num_nodes = 1
    node = 0
    while node < num_nodes:
        place = place_M[node]
        left_M[node] = right_M[node] = node
        if places.feature_P[place] >= 0:
            left_M[node], right_M[node] = num_nodes, num_nodes + 1
            place_M[num_nodes] = places.left_P[place]
            place_M[num_nodes + 1] = places.right_P[place]
            num_nodes += 2
        node += 1
    return num_nodes
