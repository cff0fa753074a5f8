"""Compiled: the best split of a node so far, and what it takes to replace it.

Of splits with equal gains the one of the lowest feature is best, then of the lowest threshold.

Shape letters: C columns, E room for entries.
"""

from core.tree._gain import Floats
from core.tree.compiled._compile import compiled
from core.tree.compiled._lists import Entries, level_of, rank_of

Split = tuple[float, int, int]
"""Gain, feature and threshold."""


@compiled
def is_behind(gain: float, feature: int, best: Split) -> bool:
    """Whether a split cannot replace the best one, whatever its threshold."""
    return gain < best[0] or (gain == best[0] and best[1] < feature)


@compiled
def better_split(
    best: Split,
    gain: float,
    feature: int,
    entries_E: Entries,
    end: int,
    start_of_list: int,
    stop_of_list: int,
    count: int,
    reference: int,
    num_levels: int,
    side_C: Floats,
    other_C: Floats,
    best_left_C: Floats,
) -> Split:
    """The better one of the best split so far and one before an entry of a feature's list.

    For a split that is not behind (`is_behind`). Most are, so a caller asks before it calls, which
    keeps the call itself rare.

    Parameters
    ----------
    entries_E, end, start_of_list, stop_of_list
        The list, and the entry behind the side that is added up.
    count, reference
        Rows of the node, and the level whose rows are in no list.
    side_C, other_C
        Columns of that side and of the other one. Those of the left side go to `best_left_C` if
        the split is the better one.
    """
    threshold, is_above = threshold_before(
        entries_E, end, start_of_list, stop_of_list, count, reference, num_levels
    )
    if gain == best[0] and best[1] == feature and threshold >= best[2]:
        return best
    for c in range(best_left_C.size):
        best_left_C[c] = other_C[c] if is_above else side_C[c]
    return gain, feature, threshold


@compiled
def threshold_before(
    entries_E: Entries,
    end: int,
    start_of_list: int,
    stop_of_list: int,
    count: int,
    reference: int,
    num_levels: int,
) -> tuple[int, bool]:
    """The threshold of the split before an entry, and whether the side before it is the upper one.

    Thresholds at empty levels part the rows as the next lower level does.
    """
    first_below = num_levels - 1 - reference
    rank = rank_of(entries_E[end - 1])
    if rank >= first_below:
        return level_of(rank, reference, num_levels), False
    if end < stop_of_list and rank_of(entries_E[end]) < first_below:
        return level_of(rank_of(entries_E[end]), reference, num_levels), True
    if stop_of_list - start_of_list < count:
        return reference, True
    return level_of(rank_of(entries_E[stop_of_list - 1]), reference, num_levels), True
