"""Report of a sweep over one loss weight: the largest that costs next to no accuracy."""

from sweep.report._report import Report
from sweep.report.table import ArmTable, spreads
from sweep.tracking import metrics
from sweep.tracking.results import SweepResults

TOLERANCE = 0.01
"""The rule of the presets, as a fraction of minival accuracy. Attributes play no part in it."""


def build(results: SweepResults) -> Report:
    """The table, minival accuracy by weight, and the weight that the rule picks."""
    minival = spreads(results, metrics.final(metrics.MINIVAL_ACCURACY))
    texts = []
    answer = ""
    means: dict[float, float] = {}
    for arm in results.plan.arms:
        ((field, weight),) = arm.overrides.items()
        if arm.name in minival:
            means[weight] = minival[arm.name].mean
            texts.append(f"{field}={weight}: minival accuracy {100 * means[weight]:.1f} %.")
    if means:
        best = max(means.values())
        chosen = max(weight for weight, mean in means.items() if mean >= best - TOLERANCE)
        answer = f"The largest within {100 * TOLERANCE:g} point of the best: {chosen}."
        texts.append(answer)
    return Report(
        title=results.plan.title,
        tables=[ArmTable.of(results).table()],
        texts=texts,
        question="How large can the weight be before it costs accuracy?",
        answer=answer,
    )
