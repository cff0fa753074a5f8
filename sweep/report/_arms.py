"""A figure with an arm at each place of the horizontal axis, which says nothing of order."""

from collections.abc import Mapping, Sequence

from sweep.report._report import Figure, Level, Panel, Point, Series
from sweep.report._words import means_in_words
from sweep.report.table import spreads
from sweep.tracking import metrics
from sweep.tracking.names import short_name
from sweep.tracking.results import SweepResults

FLOOR = "floor: a constant feature"
UNTRAINED = "the same network untrained"


def arms_figure(results: SweepResults, panels: Mapping[str, str]) -> Figure:
    """One panel for each title in `panels`, whose values are keys of final metrics.

    The panel of a fidelity also has its floor and what the network scored before training.
    """
    found = {title: spreads(results, key) for title, key in panels.items()}
    arms = [arm.name for arm in results.plan.arms]
    return Figure(
        name="figure",
        title=results.plan.title,
        beside=True,
        panels=[
            Panel(
                y_label=title,
                # A point of a grid has its fields one under another, or neighbours would overlap.
                categories=[
                    short_name(arm).replace(" ", "\n") if "=" in arm else arm for arm in arms
                ],
                series=[
                    Series(
                        label="mean",
                        joined=False,
                        points=[
                            Point.of(place, found[title][arm])
                            for place, arm in enumerate(arms)
                            if arm in found[title]
                        ],
                    )
                ],
                levels=controls(results, key),
            )
            for title, key in panels.items()
            if found[title]
        ],
        alternative=" ".join(means_in_words(title, found[title]) for title in panels),
    )


def controls(results: SweepResults, key: str) -> list[Level]:
    """What a fidelity is to be compared with: its floor, and the same network untrained.

    Means over the arms, with their range; nothing where there are no attributes, or for another
    metric than a fidelity.
    """
    arms = [arm.name for arm in results.plan.arms]
    if key == metrics.final(metrics.FIDELITY_SCORE):
        untrained = metrics.final("untrained_score")
        return [*floor_of(results, arms), *_level(results, arms, untrained, UNTRAINED)]
    if key == metrics.final(metrics.FIDELITY_HELDOUT):
        return _level(results, arms, metrics.final("untrained_heldout"), UNTRAINED)
    return []


def floor_of(results: SweepResults, arms: Sequence[str]) -> list[Level]:
    """Fidelity's floor of some arms, which share their data."""
    return _level(results, arms, metrics.final(metrics.FIDELITY_FLOOR), FLOOR)


def _level(results: SweepResults, arms: Sequence[str], key: str, label: str) -> list[Level]:
    found = spreads(results, key)
    means = [found[arm].mean for arm in arms if arm in found]
    if not means:
        return []
    mean = sum(means) / len(means)
    return [Level(label=label, y=mean, low=min(means), high=max(means), may_lie_outside=True)]
