"""A sweep's numbers in a sentence or two, for one whose report has no words of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweep.report._spread import Difference, Spread
from sweep.report._words import percent
from sweep.report.table import spreads
from sweep.tracking import metrics
from sweep.tracking.names import short_name
from sweep.tracking.plan import Arm
from sweep.tracking.results import SweepResults

HELDOUT = metrics.final(metrics.FIDELITY_HELDOUT)
ACCURACY = metrics.final(metrics.TEST_ACCURACY)
_NAMES: Mapping[str, str] = {HELDOUT: "held-out fidelity", ACCURACY: "test accuracy"}


def answer_of(results: SweepResults) -> str:
    """Which arm is best in held-out fidelity and in test accuracy, and whether it leads for sure.

    The lead over the next arm is paired by seed, with a Student-t interval where there are three
    seeds or more. Arms on different data sets are not compared.
    """
    if not results.trials:
        return "No trial is finished yet."
    by_dataset: dict[str, list[Arm]] = {}
    for arm in results.plan.arms:
        config: Mapping[str, Any] = {**results.plan.base, **arm.overrides}
        by_dataset.setdefault(str(config.get("dataset", "")), []).append(arm)
    sentences = []
    for dataset, arms in by_dataset.items():
        where = f"On {dataset}, " if len(by_dataset) > 1 else ""
        for key in _NAMES:
            found = spreads(results, key)
            kept = {arm.name: found[arm.name] for arm in arms if arm.name in found}
            if kept:
                sentences.append(where + _best(results, key, kept))
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def _best(results: SweepResults, key: str, found: Mapping[str, Spread]) -> str:
    first, *others = sorted(found, key=lambda arm: -found[arm].mean)
    name, reached = _NAMES[key], percent(found[first])
    if not others:
        return f"{_quoted(first)} reaches {reached} % {name}{_over(found[first])}."
    lead = _lead(results, key, first, others)
    return f"{name} is highest for {_quoted(first)}, {reached} %{_over(found[first])}{lead}."


def _quoted(arm: str) -> str:
    return f"“{short_name(arm)}”"


def _over(spread: Spread) -> str:
    return f" over {spread.count} seeds" if spread.count > 1 else " with one seed"


def _lead(results: SweepResults, key: str, first: str, others: Sequence[str]) -> str:
    second = others[0]
    difference = Difference.of(results.final(first, key), results.final(second, key))
    if difference is None:
        return ""
    text = f"; {100 * difference.mean:+.1f} points on the next, {_quoted(second)}"
    interval = difference.interval() if difference.count > 2 else None
    if interval is None:
        return f"{text}, from too few seeds to tell that from chance"
    low, high = interval
    ends = f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{text}{ends}" + (", which may be chance" if low <= 0 else "")
