"""Report of `sweep.pretraining`: each arm at its best step size, and how far they are apart."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sweep.engine.runner import SweepResult
from sweep.report.arms import draw_arms
from sweep.report.pairs import paired_differences, show_differences, write_differences
from sweep.report.summary import by_arm
from sweep.report.table import ArmTable, short
from sweep.spec import SweepSpec, arm_name
from sweep.tracking import metrics

PRETRAINED, SCRATCH = "lite0", None
"""Values of `weights`."""

COMPARED = {
    "accuracy": metrics.final(metrics.TEST_ACCURACY),
    "fidelity": metrics.final(metrics.FIDELITY_SCORE),
    "held-out fidelity": metrics.final(metrics.FIDELITY_HELDOUT),
}
DRAWN = ("accuracy", "fidelity")


def report(spec: SweepSpec, result: SweepResult, folder: Path, console: Console) -> Sequence[Path]:
    """Show all arms, the step size that minival picks for either weights, and how these differ."""
    table = ArmTable.of(spec, result)
    table.show(console)
    best = [arm for weights in (PRETRAINED, SCRATCH) if (arm := _best(spec, table, weights))]
    seconds = by_arm(result.trials, metrics.TRAIN_SECONDS)
    for arm in best:
        console.print(
            f"{short(arm)}: the best of its step sizes by minival accuracy, "
            f"{table.spreads['minival'][arm].percent()}; {seconds[arm].mean:.0f} s of training"
        )
    pairs = [(best[0], best[1])] if len(best) > 1 else []
    differences = paired_differences(result.trials, pairs, COMPARED)
    if pairs:
        show_differences(differences, console)
    panels = {title: COMPARED[title] for title in DRAWN}
    return [
        table.write(folder / "table.csv"),
        write_differences(differences, folder / "differences.csv"),
        draw_arms(table, result.trials, panels, folder / "figure.png"),
    ]


def _best(spec: SweepSpec, table: ArmTable, weights: str | None) -> str | None:
    """The arm of best mean minival accuracy; None if no trial with such weights is finished."""
    arms = (
        arm_name({"weights": weights, "learning_rate": rate}) for rate in spec.axes["learning_rate"]
    )
    means = {arm: spread.mean for arm in arms if (spread := table.spreads["minival"].get(arm))}
    return max(means, key=means.__getitem__) if means else None
