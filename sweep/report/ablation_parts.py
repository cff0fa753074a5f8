"""Table, paired differences and figure of `sweep.ablation_parts`."""

from collections.abc import Mapping
from typing import Any

from sweep.report._arms import arms_figure
from sweep.report._beside import printed_values
from sweep.report._pairs import differences_table
from sweep.report._report import Report
from sweep.report.table import ArmTable
from sweep.tracking import metrics
from sweep.tracking.results import SweepResults

COMPARED = {
    "fidelity": metrics.final(metrics.FIDELITY_SCORE),
    "held-out fidelity": metrics.final(metrics.FIDELITY_HELDOUT),
    "minival accuracy": metrics.final(metrics.MINIVAL_ACCURACY),
}
DRAWN = ("fidelity", "minival accuracy")


def build(results: SweepResults) -> Report:
    """Means of all arms, and what an arm adds to every arm that has fewer parts."""
    parts = {arm.name: _parts({**results.plan.base, **arm.overrides}) for arm in results.plan.arms}
    pairs = sorted(
        ((more, fewer) for more in parts for fewer in parts if parts[fewer] < parts[more]),
        # All that the quantized network lacks first, then what each part adds to the other.
        key=lambda pair: len(parts[pair[1]]),
    )
    return Report(
        title=results.plan.title,
        tables=[
            ArmTable.of(results, published=printed_values(results)).table(),
            differences_table(results, pairs, COMPARED),
        ],
        figures=[arms_figure(results, {title: COMPARED[title] for title in DRAWN})],
        question="What do sparsity and the tree each add to the quantized network?",
    )


def _parts(config: Mapping[str, Any]) -> frozenset[str]:
    """Which of the method's parts a config has."""
    return frozenset(key for key in ("sparsity_weight", "tree_weight") if config[key])
