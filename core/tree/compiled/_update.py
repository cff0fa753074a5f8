"""Compiled: growing level by level, and bringing a grown tree up to date with new rows.

A visit is the look at one node of a level. Visits of a level are scanned by several threads, each
with features of its own (`_level`), and then closed together: splits are chosen, rows
parted, and the visits of the next level made.

Shape letters: N rows, C columns, V visits, S slices of features.
"""

from core.tree._gain import GAIN_GRID, Floats
from core.tree.compiled._compile import compiled
from core.tree.compiled._exact import negative_entropy, square_terms
from core.tree.compiled._lists import Bytes, Rows, as_int
from core.tree.compiled._places import cut_below, take_place
from core.tree.compiled._records import (
    KNOWN,
    NEW,
    NO_FEATURE,
    NO_SLOT,
    NO_VISIT,
    PARTED,
    Order,
    Places,
    Results,
    Rules,
    Table,
    Visits,
)

_SLACK = 4 * GAIN_GRID
"""More than the rounding of a gain and of what a bound takes from it, as a gain."""


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
            places.left_P[place] = take_place(places)
            places.right_P[place] = take_place(places)
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
    if rules.grows_on and count > rules.rows_to_regrow and not is_known and has_room:
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
