"""A tree as rules: for each class, the conditions that lead to it.

Shape letters: M nodes, D features.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.tree._tree import DecisionTree
from core.tree.forms._text import namer, samples


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What the tests on a path ask of one feature, taken together: its level is in a range."""

    feature: int
    lowest: int
    highest: int
    """Both ends belong to the range."""

    def to_text(self, name: str, num_levels: int) -> str:
        """In words, such as "feature 3 is at least 5"."""
        if self.lowest == self.highest:
            return f"{name} is {self.lowest}"
        if self.lowest == 0:
            return f"{name} is at most {self.highest}"
        if self.highest == num_levels - 1:
            return f"{name} is at least {self.lowest}"
        return f"{name} is from {self.lowest} to {self.highest}"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A leaf of a tree, and what leads to it."""

    leaf: int
    """Its node."""

    conditions: tuple[Condition, ...]
    """One a feature, by ascending feature. All of them hold for exactly the samples of the leaf."""

    top_class: int
    """The class of the largest mean label; the lowest one in a tie."""

    share: float
    """That mean label."""

    num_samples: int
    """Samples of the leaf in training."""


def rule_of(tree: DecisionTree, leaf: int) -> Rule:
    """The rule of one leaf.

    Raises
    ------
    ValueError
        If the node is no leaf.
    """
    if not tree.is_leaf[leaf]:
        raise ValueError(f"Node {leaf} is no leaf: give one of those that `apply` returns.")
    ranges: dict[int, tuple[int, int]] = {}
    node = leaf
    while node:
        parent = int(tree.parents[node])
        feature, threshold = int(tree.feature[parent]), int(tree.threshold[parent])
        low, high = ranges.get(feature, (0, tree.num_levels - 1))
        if node == tree.left[parent]:
            ranges[feature] = (low, min(high, threshold))
        else:
            ranges[feature] = (max(low, threshold + 1), high)
        node = parent
    top = int(tree.value[leaf].argmax())
    return Rule(
        leaf=leaf,
        conditions=tuple(
            Condition(feature=feature, lowest=low, highest=high)
            for feature, (low, high) in sorted(ranges.items())
        ),
        top_class=top,
        share=float(tree.value[leaf, top]),
        num_samples=int(tree.num_samples[leaf]),
    )


def rules(tree: DecisionTree) -> list[Rule]:
    """One rule a leaf: by class, and within a class by falling number of samples."""
    found = [rule_of(tree, node) for node in range(tree.num_nodes) if tree.is_leaf[node]]
    return sorted(found, key=lambda rule: (rule.top_class, -rule.num_samples, rule.leaf))


def reason(tree: DecisionTree, rule: Rule, *, feature_names: Sequence[str] | None = None) -> str:
    """The conditions of a rule in words; "always" for a tree of one leaf."""
    feature_name = namer("feature", feature_names, tree.num_features)
    words = [
        condition.to_text(feature_name(condition.feature), tree.num_levels)
        for condition in rule.conditions
    ]
    return " and ".join(words) or "always"


def to_rules(
    tree: DecisionTree,
    *,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> str:
    """One line a leaf, by class: "class 1 when feature 0 is at least 1 (0.900 of 12 samples)".

    Parameters
    ----------
    feature_names, class_names
        As in `to_text`.

    Raises
    ------
    DataError
        As `to_text` does.
    """
    class_name = namer("class", class_names, tree.num_classes)
    lines = []
    for rule in rules(tree):
        when = reason(tree, rule, feature_names=feature_names)
        when = when if when == "always" else f"when {when}"
        evidence = f"{rule.share:.3f} of {samples(rule.num_samples)}"
        lines.append(f"{class_name(rule.top_class)} {when} ({evidence})")
    return "\n".join(lines)
