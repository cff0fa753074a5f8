"""Sentences that several reports share."""

from collections.abc import Mapping

from sweep.report._spread import Spread
from sweep.tracking.names import short_name

NO_FIDELITY = "no fidelity: the data has no attributes to compare the levels with"
"""Where every trial has levels and none has a fidelity."""


def percent(spread: Spread) -> str:
    """Mean and deviation as "93.1 ± 0.4"; the mean alone for one seed."""
    if spread.deviation is None:
        return f"{100 * spread.mean:.1f}"
    return f"{100 * spread.mean:.1f} ± {100 * spread.deviation:.1f}"


def means_in_words(title: str, spreads: Mapping[str, Spread]) -> str:
    """A metric's means of all arms, for the text alternative of a figure."""
    if not spreads:
        return f"No {title}."
    means = ", ".join(f"{short_name(arm)} {percent(spread)}" for arm, spread in spreads.items())
    return f"{title[0].upper()}{title[1:]} in percent: {means}."
