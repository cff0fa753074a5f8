"""Compiled: bringing a tree up to date with new rows, node by node from the root.

A node that no new row reaches is not visited. In one that was, few features need a second look:
the children of a split hold a total entropy (their masses times their entropies; for squared
error, a sum of squares) that only grows as rows arrive, since entropy times mass is superadditive.
So what a split's children held when it was last looked at is a lower bound of what they hold now,
and with the node's own total it gives an upper bound of the gain. Features are looked at in the
order of these bounds until none reaches the best gain found.

Shape letters: N rows, B blocks of `BLOCK_WIDTH` features, F features of a block, D features, L
levels, C columns, V words of two columns each, P places for nodes.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.tree._compiled import compiled
from core.tree._gain import GAIN_GRID, Floats
from core.tree._kernels import (
    BLOCK_WIDTH,
    FEW_WORDS,
    ROWS_WITHOUT_CARRY,
    Bytes,
    Rows,
    Words,
    count_levels,
    partition,
    sum_few,
    sum_many,
)
from core.tree._scan import (
    Work,
    negative_entropy,
    prepare_entropy,
    scan_entropy,
    scan_squared_error,
    square_terms,
)

Indices = npt.NDArray[np.int32]

NO_FEATURE = -1
_SLACK = 4 * GAIN_GRID
"""More than the rounding of gains and of the sums in a bound, as a gain."""
_RELATIVE_SLACK = 2.0**-40


class Places(NamedTuple):
    """Where nodes are kept. The root is at 0; the others stand in any order."""

    feature_P: Indices
    """`NO_FEATURE` for a leaf."""
    threshold_P: Indices
    left_P: Indices
    right_P: Indices
    sums_PC: Floats
    """Column sums; column K, the number of classes, counts the rows."""
    children_PD: Floats
    """Lower bounds of what the children of any split at a feature hold in total."""
    free_P: Indices
    """The first `num_free` of them are places without a node."""


class Table(NamedTuple):
    """All rows so far."""

    levels_BNF: Bytes
    words_NV: Words
    square_N: Floats
    """Sum of a row's squared labels, on the scale of `SQUARE_UNIT`."""


class Rules(NamedTuple):
    """What stays the same while a tree grows."""

    num_features: int
    num_classes: int
    num_levels: int
    max_depth: int
    min_gain: float
    by_entropy: bool
    rounding: float
    slack: float
    slack_of_few: float


class Scratch(NamedTuple):
    """Room for one node's work."""

    order_N: Rows
    right_N: Rows
    levels_1NF: Bytes
    words_NV: Words
    counts_FL: Rows
    frequent_F: Rows
    packed_FLV: Words
    num_packed_FL: Rows
    histogram_FLC: Floats
    work: Work
    work_of_few: Work
    best_left_C: Floats
    upper_D: Floats
    """Upper bound of each feature's gain in the node at hand; minus infinity once looked at."""
    group_F: npt.NDArray[np.int64]
    upper_F: Floats


@compiled
def update_nodes(
    table: Table,
    num_old: int,
    num_rows: int,
    rules: Rules,
    places: Places,
    num_free: int,
    scratch: Scratch,
) -> int:
    """Take in the rows from `num_old` on. Returns the new number of free places."""
    num_visits = 2 * places.feature_P.size
    node_Q = np.empty(num_visits, dtype=np.int64)
    start_Q = np.empty(num_visits, dtype=np.int64)
    count_Q = np.empty(num_visits, dtype=np.int64)
    depth_Q = np.empty(num_visits, dtype=np.int64)
    left_C = np.empty(places.sums_PC.shape[1])
    for row in range(num_rows):
        scratch.order_N[row] = row
    node_Q[0], start_Q[0], count_Q[0], depth_Q[0] = 0, 0, num_rows, 0
    add_columns(table.words_NV, num_old, num_rows, places.sums_PC[0])
    num_queued = 1
    visit = 0
    while visit < num_queued:
        node, count, depth = node_Q[visit], count_Q[visit], depth_Q[visit]
        rows = scratch.order_N[start_Q[visit] : start_Q[visit] + count]
        feature, threshold = NO_FEATURE, 0
        if depth < rules.max_depth and count > 1:
            feature, threshold = _best_split(table, rows, node, rules, places, scratch)
        kept = feature >= 0 and feature == places.feature_P[node]
        if kept and threshold != places.threshold_P[node]:
            kept = not _moves_old_row(
                table, rows, num_old, feature, threshold, places.threshold_P[node]
            )
        if not kept and places.feature_P[node] >= 0:
            num_free = _free_below(node, places, num_free)
        places.feature_P[node] = feature
        places.threshold_P[node] = threshold
        if feature >= 0:
            if not kept:
                for side in range(2):
                    num_free -= 1
                    child = places.free_P[num_free]
                    places.feature_P[child] = NO_FEATURE
                    places.children_PD[child, :] = -np.inf
                    if side == 0:
                        places.left_P[node] = child
                    else:
                        places.right_P[node] = child
            num_left = partition(table.levels_BNF, feature, threshold, rows, scratch.right_N)
            left_C[:] = scratch.best_left_C
            left, right = places.left_P[node], places.right_P[node]
            places.sums_PC[left, :] = left_C
            for c in range(left_C.size):
                places.sums_PC[right, c] = places.sums_PC[node, c] - left_C[c]
            # Rows stay in their order, so a side has new ones if its last one is new.
            if not kept or rows[num_left - 1] >= num_old:
                node_Q[num_queued], depth_Q[num_queued] = left, depth + 1
                start_Q[num_queued], count_Q[num_queued] = start_Q[visit], num_left
                num_queued += 1
            if not kept or rows[count - 1] >= num_old:
                node_Q[num_queued], depth_Q[num_queued] = right, depth + 1
                start_Q[num_queued] = start_Q[visit] + num_left
                count_Q[num_queued] = count - num_left
                num_queued += 1
        visit += 1
    return num_free


@compiled
def add_columns(words_NV: Words, start: int, stop: int, sums_C: Floats) -> None:
    """Add the columns of some rows."""
    for i in range(start, stop):
        for v in range(words_NV.shape[1]):
            word = words_NV[i, v]
            sums_C[2 * v] += float(word & np.uint64(0xFFFFFFFF))
            sums_C[2 * v + 1] += float(word >> np.uint64(32))


@compiled
def _moves_old_row(
    table: Table, rows_N: Rows, num_old: int, feature: int, threshold: int, before: int
) -> bool:
    """Whether another threshold of the same feature sends an old row to the other side."""
    block, f = feature // BLOCK_WIDTH, feature % BLOCK_WIDTH
    low, high = min(threshold, before), max(threshold, before)
    for i in range(rows_N.size):
        if rows_N[i] >= num_old:
            return False
        if low < table.levels_BNF[block, rows_N[i], f] <= high:
            return True
    return False


@compiled
def _free_below(node: int, places: Places, num_free: int) -> int:
    """Give back the places of all nodes below one."""
    start = num_free
    places.free_P[num_free] = places.left_P[node]
    places.free_P[num_free + 1] = places.right_P[node]
    num_free += 2
    while start < num_free:
        below = places.free_P[start]
        if places.feature_P[below] >= 0:
            places.free_P[num_free] = places.left_P[below]
            places.free_P[num_free + 1] = places.right_P[below]
            num_free += 2
        start += 1
    return num_free


@compiled
def _best_split(
    table: Table, rows_N: Rows, node: int, rules: Rules, places: Places, scratch: Scratch
) -> tuple[int, int]:
    """Feature and threshold of a node's best split, or `NO_FEATURE` and 0.

    Leaves the columns of its left side in `scratch.best_left_C`.
    """
    sums_C = places.sums_PC[node]
    num_classes = rules.num_classes
    count = rows_N.size
    # Their sums stay packed, and their bounds take half the time in single precision.
    is_few = (
        rules.by_entropy and count <= ROWS_WITHOUT_CARRY and table.words_NV.shape[1] > FEW_WORDS
    )
    portion_FLC = scratch.packed_FLV.view(np.int32)
    other_C = scratch.work[4]
    if rules.by_entropy:
        weight = sums_C[num_classes + 1]
        parent = negative_entropy(sums_C, num_classes, 1.0 / weight, rules.rounding, other_C)
        if parent == 0.0:
            return NO_FEATURE, 0
        total = -parent * weight
        if is_few:
            prepare_entropy(sums_C, num_classes, scratch.work_of_few)
        else:
            prepare_entropy(sums_C, num_classes, scratch.work)
    else:
        weight = float(count)
        squares = 0.0
        for i in range(count):
            squares += table.square_N[rows_N[i]]
        parent = square_terms(sums_C, num_classes, weight, rules.rounding, other_C)
        total = squares - parent * weight

    upper_D = scratch.upper_D
    slack = _SLACK + _RELATIVE_SLACK * total / weight
    for d in range(rules.num_features):
        upper_D[d] = (total - places.children_PD[node, d]) / weight + slack
    for i in range(count):
        for v in range(table.words_NV.shape[1]):
            scratch.words_NV[i, v] = table.words_NV[rows_N[i], v]
    best = (rules.min_gain, NO_FEATURE, 0)
    if places.feature_P[node] >= 0:
        # The split so far is looked at first: it most likely still is the best one.
        upper_D[places.feature_P[node]] = np.inf
    while True:
        width = _next_group(upper_D, rules.num_features, best[0], scratch.group_F)
        if width == 0:
            break
        _gather_levels(table.levels_BNF, rows_N, scratch.group_F, width, scratch.levels_1NF)
        count_levels(scratch.levels_1NF, count, scratch.counts_FL, scratch.frequent_F)
        if is_few:
            sum_few(
                scratch.levels_1NF,
                scratch.words_NV,
                count,
                scratch.counts_FL,
                scratch.frequent_F,
                scratch.packed_FLV,
            )
        else:
            sum_many(
                scratch.levels_1NF,
                scratch.words_NV,
                count,
                scratch.counts_FL,
                scratch.frequent_F,
                scratch.packed_FLV,
                scratch.num_packed_FL,
                scratch.histogram_FLC,
            )
        if is_few:
            best = scan_entropy(
                scratch.packed_FLV,
                portion_FLC,
                scratch.counts_FL,
                scratch.frequent_F,
                width,
                sums_C,
                num_classes,
                parent,
                rules.rounding,
                rules.slack_of_few,
                scratch.work_of_few,
                scratch.best_left_C,
                best,
                rules.min_gain,
                scratch.group_F,
                scratch.upper_F,
            )
        elif rules.by_entropy:
            best = scan_entropy(
                scratch.histogram_FLC,
                scratch.histogram_FLC,
                scratch.counts_FL,
                scratch.frequent_F,
                width,
                sums_C,
                num_classes,
                parent,
                rules.rounding,
                rules.slack,
                scratch.work,
                scratch.best_left_C,
                best,
                rules.min_gain,
                scratch.group_F,
                scratch.upper_F,
            )
        else:
            best = scan_squared_error(
                scratch.histogram_FLC,
                scratch.counts_FL,
                scratch.frequent_F,
                width,
                sums_C,
                num_classes,
                rules.rounding,
                scratch.work,
                scratch.best_left_C,
                best,
                rules.min_gain,
                scratch.group_F,
                scratch.upper_F,
            )
        for j in range(width):
            d = scratch.group_F[j]
            upper_D[d] = -np.inf
            places.children_PD[node, d] = total - scratch.upper_F[j] * weight
    return best[1], best[2]


@compiled
def _next_group(
    upper_D: Floats, num_features: int, best_gain: float, group_F: npt.NDArray[np.int64]
) -> int:
    """Choose the features of the largest bounds that reach the best gain; returns how many."""
    width = 0
    for d in range(num_features):
        upper = upper_D[d]
        if upper < best_gain or (width == BLOCK_WIDTH and upper <= upper_D[group_F[width - 1]]):
            continue
        if upper == -np.inf:
            continue
        # Insertion into a short list that is sorted by falling bound.
        place = min(width, BLOCK_WIDTH - 1)
        while place > 0 and upper_D[group_F[place - 1]] < upper:
            group_F[place] = group_F[place - 1]
            place -= 1
        group_F[place] = d
        width = min(width + 1, BLOCK_WIDTH)
    return width


@compiled
def _gather_levels(
    levels_BNF: Bytes,
    rows_N: Rows,
    group_F: npt.NDArray[np.int64],
    width: int,
    levels_1NF: Bytes,
) -> None:
    """Lay the levels of some features side by side; behind them, anything that is a level."""
    first = group_F[0]
    is_block = first % BLOCK_WIDTH == 0
    for j in range(1, width):
        is_block &= group_F[j] == first + j
    if is_block:
        # A whole block, in its order: eight levels are one word.
        block_BN1 = levels_BNF.view(np.uint64)
        group_1N1 = levels_1NF.view(np.uint64)
        for i in range(rows_N.size):
            group_1N1[0, i, 0] = block_BN1[first // BLOCK_WIDTH, rows_N[i], 0]
        return
    for j in range(BLOCK_WIDTH):
        d = group_F[min(j, width - 1)]
        block, f = d // BLOCK_WIDTH, d % BLOCK_WIDTH
        for i in range(rows_N.size):
            levels_1NF[0, i, j] = levels_BNF[block, rows_N[i], f]


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
