"""Whether a feature follows its attribute when nothing else changes.

Shape letters: P pairs, N samples, D features, A attributes.
"""

from dataclasses import dataclass

import numpy as np

from core.errors import DataError
from core.fidelity._counts import Bools, Integers
from core.fidelity._heldout import Matched
from core.fidelity._inputs import Attributes, check_num_levels, checked_flags


@dataclass(frozen=True, kw_only=True, eq=False)
class Counterfactuals:
    """Pairs of images, before and after one attribute changed, as a network sees them."""

    before_attributes_PA: Attributes
    after_attributes_PA: Attributes
    """Bool, or integers 0 and 1. In each pair at least one attribute differs."""

    before_levels_PD: Integers
    after_levels_PD: Integers
    """q(F(x)), integers 0 .. num_levels - 1."""


def counterfactual_switch(
    pairs: Counterfactuals,
    attributes_NA: Attributes,
    levels_ND: Integers,
    *,
    num_levels: int,
) -> float:
    """Share of pairs whose changed attribute's match follows, less the share in which others flip.

    In a pair that differs in one attribute a, the match of a should say what the attribute is,
    before and after; the matches of all other attributes should say the same before and after. The
    first share is over the pairs, the second over pairs and their other attributes. So 1 is the
    best there is, and features that all flip with any change, or never, come to 0.

    A pair may differ in several attributes (a red bill that turns yellow): it then counts once in
    the first share for each of them, and they are no others.

    Parameters
    ----------
    pairs
        Before and after, such as `core.data.counterfactual_pairs` gives them for rendered data.
    attributes_NA, levels_ND
        The split that the matches are chosen on, by F1 as in Eq. 3: minival. No choice is made on
        the pairs. An attribute that never occurs there is predicted never, and so never follows.
    num_levels
        2^r.

    Returns
    -------
    float
        In [-1, 1].

    Raises
    ------
    ConfigError
        If `num_levels` is below 2.
    DataError
        As `fidelity`; if the pairs are none, or if nothing differs in one.

    Notes
    -----
    Source: after TAPA, with exact pairs.

    Examples
    --------
    >>> attributes_NA, levels_ND = np.array([[1, 0], [0, 1]]), np.array([[2, 0], [0, 1]])
    >>> pairs = Counterfactuals(
    ...     before_attributes_PA=np.array([[0, 1]]),
    ...     after_attributes_PA=np.array([[1, 1]]),
    ...     before_levels_PD=np.array([[1, 1]]),
    ...     after_levels_PD=np.array([[0, 1]]),
    ... )
    >>> counterfactual_switch(pairs, attributes_NA, levels_ND, num_levels=3)
    -1.0
    """
    check_num_levels(num_levels)
    flags_NA = checked_flags("the selection split", attributes_NA, levels_ND, num_levels)
    before_PA, after_PA = _checked(pairs, flags_NA, levels_ND, num_levels)
    matched = Matched(flags_NA, levels_ND, num_levels)
    said_before_PA = matched.predict(pairs.before_levels_PD)
    said_after_PA = matched.predict(pairs.after_levels_PD)
    changed_PA = before_PA != after_PA
    follows_PA = (said_before_PA == before_PA) & (said_after_PA == after_PA)
    follow_share = float(np.mean(follows_PA[changed_PA]))
    flips = (said_before_PA != said_after_PA)[~changed_PA]
    # Of a single attribute there are no others.
    return follow_share - (float(np.mean(flips)) if len(flips) else 0.0)


def _checked(
    pairs: Counterfactuals, flags_NA: Bools, levels_ND: Integers, num_levels: int
) -> tuple[Bools, Bools]:
    attributes = (pairs.before_attributes_PA, pairs.after_attributes_PA)
    levels = (pairs.before_levels_PD, pairs.after_levels_PD)
    if attributes[0].shape != attributes[1].shape or levels[0].shape != levels[1].shape:
        raise DataError(
            "Pairs must have as many images before as after, but their attributes have shapes "
            f"{attributes[0].shape} and {attributes[1].shape}, their levels {levels[0].shape} and "
            f"{levels[1].shape}."
        )
    here = (flags_NA.shape[1], levels_ND.shape[1])
    there = (attributes[0].shape[1:], levels[0].shape[1:])
    if there != ((here[0],), (here[1],)):
        raise DataError(
            "Pairs must have the attributes and features that the matches are chosen of, "
            f"{here[0]} and {here[1]} columns, but have shapes {attributes[0].shape} and "
            f"{levels[0].shape}."
        )
    before_PA, after_PA = (
        checked_flags(name, flags, seen, num_levels, may_be_absent=True)
        for name, flags, seen in zip(
            ("the images before", "the images after"), attributes, levels, strict=True
        )
    )
    (unchanged,) = np.nonzero((before_PA == after_PA).all(axis=1))
    if len(unchanged):
        raise DataError(
            f"Each pair must differ in an attribute, but {len(unchanged)} of {len(before_PA)} do "
            f"not, the first of them pair {unchanged[0]}. Leave them out."
        )
    return before_PA, after_PA
