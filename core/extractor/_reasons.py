"""The tree's reason in words, with features named by the attributes they match.

Shape letters: N samples, D features.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.extractor._matches import AttributeMatch
from core.tree import Condition, DecisionTree, Rule, reason, rule_of


def explain_levels(
    tree: DecisionTree, levels_ND: npt.NDArray[np.uint8], matches: Sequence[AttributeMatch] = ()
) -> list[str]:
    """For each sample, the conditions on the path to its leaf; see `rule_text`."""
    leaf_N = tree.apply(levels_ND)
    texts = {
        leaf: rule_text(tree, rule_of(tree, leaf), matches) for leaf in np.unique(leaf_N).tolist()
    }
    return [texts[leaf] for leaf in leaf_N.tolist()]


def rule_text(tree: DecisionTree, rule: Rule, matches: Sequence[AttributeMatch] = ()) -> str:
    """The conditions of a rule in words, naming the attributes that its features match.

    A condition is a range of levels and a match is a single level, so there are three forms:

    - "hooked bill (feature 12 is at least 5)": every level of the range says that it holds;
    - "not hooked bill (feature 12 is at most 4)": every level says that it does not;
    - "feature 12 is at least 5 (7 means hooked bill)": the range alone leaves it open.

    Matches no better than a constant name nothing. Of several on a feature, those that the range
    decides go first, then the one with the highest F1.
    """
    useful = [match for match in matches if match.is_informative]
    useful.sort(key=lambda match: -match.f1)
    words = [
        _condition_text(
            tree, condition, [match for match in useful if match.feature == condition.feature]
        )
        for condition in rule.conditions
    ]
    return " and ".join(words) or reason(tree, rule)


def _condition_text(
    tree: DecisionTree, condition: Condition, matches: Sequence[AttributeMatch]
) -> str:
    plain = condition.to_text(f"feature {condition.feature}", tree.num_levels)
    for match in matches:
        holds = match.holds_within(condition.lowest, condition.highest)
        if holds is not None:
            return f"{'' if holds else 'not '}{match.attribute} ({plain})"
    if matches:
        best = matches[0]
        which = f"{best.level} means" if best.polarity else f"all but {best.level} mean"
        return f"{plain} ({which} {best.attribute})"
    return plain
