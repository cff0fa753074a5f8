"""A reason in words, of a tree or of prototypes, with features named by what they match.

Shape letters: N samples, D features, K classes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.extractor._matches import AttributeMatch
from core.tree import Condition, DecisionTree, Rule, reason, rule_of

_NUM_PROTOTYPES = 3


def explain_levels(
    tree: DecisionTree, levels_ND: npt.NDArray[np.uint8], matches: Sequence[AttributeMatch] = ()
) -> list[str]:
    """For each sample, the conditions on the path to its leaf; see `rule_text`."""
    leaf_N = tree.apply(levels_ND)
    texts = {
        leaf: rule_text(tree, rule_of(tree, leaf), matches) for leaf in np.unique(leaf_N).tolist()
    }
    return [texts[leaf] for leaf in leaf_N.tolist()]


def explain_prototypes(
    weights_KD: npt.NDArray[np.floating],
    levels_ND: npt.NDArray[np.uint8],
    class_N: npt.NDArray[np.int64],
    matches: Sequence[AttributeMatch] = (),
    *,
    num_levels: int,
) -> list[str]:
    """For each sample, the prototypes that speak most for its class.

    A prototype speaks by its level times its weight for the class. Those with more than 0 are
    named, three at most, the strongest first.

    Parameters
    ----------
    weights_KD
        `Recognizer.prototype_weights`.
    levels_ND, class_N
        Of the samples; the class is the predicted one.
    matches
        As in `rule_text`.
    num_levels
        2^r.
    """
    useful = _by_f1(matches)
    texts = []
    for levels_D, label in zip(levels_ND, class_N.tolist(), strict=True):
        said_D = weights_KD[label] * levels_D
        strongest = np.argsort(-said_D, kind="stable")[:_NUM_PROTOTYPES]
        words = [
            _condition_text(
                Condition(feature=feature, lowest=level, highest=level),
                [match for match in useful if match.feature == feature],
                num_levels=num_levels,
                kind="prototype",
            )
            for feature, level in zip(strongest.tolist(), levels_D[strongest].tolist(), strict=True)
            if said_D[feature] > 0
        ]
        texts.append(" and ".join(words) or "no prototype speaks for this class")
    return texts


def rule_text(tree: DecisionTree, rule: Rule, matches: Sequence[AttributeMatch] = ()) -> str:
    """The conditions of a rule in words, naming the attributes that its features match.

    A condition is a range of levels and a match is a single level, so there are three forms:

    - "hooked bill (feature 12 is at least 5)": every level of the range says that it holds;
    - "not hooked bill (feature 12 is at most 4)": every level says that it does not;
    - "feature 12 is at least 5 (7 means hooked bill)": the range alone leaves it open.

    Matches no better than a constant name nothing. Of several on a feature, those that the range
    decides go first, then the one with the highest F1.
    """
    useful = _by_f1(matches)
    words = [
        _condition_text(
            condition,
            [match for match in useful if match.feature == condition.feature],
            num_levels=tree.num_levels,
        )
        for condition in rule.conditions
    ]
    return " and ".join(words) or reason(tree, rule)


def _by_f1(matches: Sequence[AttributeMatch]) -> list[AttributeMatch]:
    """Those that say more than a constant, the best first."""
    return sorted((m for m in matches if m.is_informative), key=lambda match: -match.f1)


def _condition_text(
    condition: Condition,
    matches: Sequence[AttributeMatch],
    *,
    num_levels: int,
    kind: str = "feature",
) -> str:
    plain = condition.to_text(f"{kind} {condition.feature}", num_levels)
    for match in matches:
        holds = match.holds_within(condition.lowest, condition.highest)
        if holds is not None:
            return f"{'' if holds else 'not '}{match.attribute} ({plain})"
    if matches:
        best = matches[0]
        which = f"{best.level} means" if best.polarity else f"all but {best.level} mean"
        return f"{plain} ({which} {best.attribute})"
    return plain
