"""A tree's tests with the attributes that they ask for, as far as they match any."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.extractor import AttributeMatch
from core.tree import DecisionTree


@dataclass(frozen=True, kw_only=True)
class NamedTest:
    """What a node asks, in words where it can be."""

    node: int
    feature: int
    threshold: int
    match: AttributeMatch | None
    """The attribute that an answer decides; None where no informative match is decided."""

    low_holds: bool | None
    """Whether the attribute's match is 1 at or below the threshold; None if that is still open."""

    high_holds: bool | None
    """The same above it."""


def named_tests(tree: DecisionTree, matches: Sequence[AttributeMatch] = ()) -> list[NamedTest]:
    """One for each node that is no leaf, by node.

    A match is a single level, and a test cuts a range of levels that the path has left. An
    attribute names a test if at least one side of the cut decides its match. Of several, one that
    both sides decide goes first, then the one with the highest F1.

    Matches that say no more of an attribute than a constant does name nothing.
    """
    useful = [match for match in matches if match.is_informative]
    useful.sort(key=lambda match: -match.f1)
    return [_named(tree, node, useful) for node in np.flatnonzero(~tree.is_leaf).tolist()]


def _named(tree: DecisionTree, node: int, matches: Sequence[AttributeMatch]) -> NamedTest:
    feature, threshold = int(tree.feature[node]), int(tree.threshold[node])
    lowest, highest = _range_at(tree, node, feature)
    best: tuple[AttributeMatch | None, bool | None, bool | None] = (None, None, None)
    for match in matches:
        if match.feature != feature:
            continue
        low = match.holds_within(lowest, threshold)
        high = match.holds_within(threshold + 1, highest)
        if low is not None and high is not None and low != high:
            best = (match, low, high)
            break
        if best[0] is None and low != high:
            best = (match, low, high)
    return NamedTest(
        node=node,
        feature=feature,
        threshold=threshold,
        match=best[0],
        low_holds=best[1],
        high_holds=best[2],
    )


def _range_at(tree: DecisionTree, node: int, feature: int) -> tuple[int, int]:
    """The levels of a feature that reach a node."""
    lowest, highest = 0, tree.num_levels - 1
    while node:
        parent = int(tree.parents[node])
        if tree.feature[parent] == feature:
            threshold = int(tree.threshold[parent])
            if node == tree.left[parent]:
                highest = min(highest, threshold)
            else:
                lowest = max(lowest, threshold + 1)
        node = parent
    return lowest, highest
