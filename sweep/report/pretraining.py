"""Report of `sweep.pretraining`: each arm at its best step size, and how far they are apart."""

from typing import Any

from sweep.report._arms import arms_figure
from sweep.report._pairs import differences_table
from sweep.report._report import Report
from sweep.report._words import percent
from sweep.report.table import ArmTable, spreads
from sweep.tracking import metrics
from sweep.tracking.names import short_name
from sweep.tracking.plan import Arm
from sweep.tracking.results import SweepResults

COMPARED = {
    "accuracy": metrics.final(metrics.TEST_ACCURACY),
    "fidelity": metrics.final(metrics.FIDELITY_SCORE),
    "held-out fidelity": metrics.final(metrics.FIDELITY_HELDOUT),
}
DRAWN = ("accuracy", "fidelity")


def build(results: SweepResults) -> Report:
    """All arms, the step size that minival picks for each of the weights, and their difference."""
    best = best_arms(results)
    minival = spreads(results, metrics.final(metrics.MINIVAL_ACCURACY))
    seconds = spreads(results, metrics.TRAIN_SECONDS)
    texts = []
    for arm in best:
        cost = f"; {seconds[arm].mean:.0f} s of training" if arm in seconds else ""
        texts.append(
            f"{short_name(arm)}: the best of its step sizes by minival accuracy, "
            f"{percent(minival[arm])} %{cost}."
        )
    pairs = [(best[0], best[1])] if len(best) > 1 else []
    return Report(
        title=results.plan.title,
        tables=[ArmTable.of(results).table(), differences_table(results, pairs, COMPARED)],
        figures=[arms_figure(results, {title: COMPARED[title] for title in DRAWN})],
        texts=texts,
        question="Do first weights from elsewhere serve better than random ones?",
    )


def best_arms(results: SweepResults) -> list[str]:
    """For each first weights, those from a file or hub before random ones, the arm of best minival.

    Weights that no finished trial has are left out.
    """
    found = spreads(results, metrics.final(metrics.MINIVAL_ACCURACY))
    weights: dict[Any, list[Arm]] = {}
    for arm in results.plan.arms:
        weights.setdefault({**results.plan.base, **arm.overrides}["weights"], []).append(arm)
    best = []
    for value in sorted(weights, key=lambda value: value is None):
        arms = [arm.name for arm in weights[value] if arm.name in found]
        if arms:
            best.append(max(arms, key=lambda arm: found[arm].mean))
    return best
