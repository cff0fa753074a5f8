"""Report of a sweep over one loss weight: the largest that costs next to no accuracy."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sweep.engine.runner import SweepResult
from sweep.report.table import ArmTable
from sweep.spec import SweepSpec, arm_name

TOLERANCE = 0.01
"""The rule of the presets, as a fraction of minival accuracy. Attributes play no part in it."""


def report(spec: SweepSpec, result: SweepResult, folder: Path, console: Console) -> Sequence[Path]:
    """Show the table, minival accuracy by weight, and the weight that the rule picks."""
    table = ArmTable.of(spec, result)
    table.show(console)
    ((field, weights),) = spec.axes.items()
    means = {
        weight: spread.mean
        for weight in weights
        if (spread := table.spreads["minival"].get(arm_name({field: weight})))
    }
    for weight, mean in means.items():
        console.print(f"{field}={weight}: minival accuracy {100 * mean:.1f}")
    best = max(means.values())
    chosen = max(weight for weight, mean in means.items() if mean >= best - TOLERANCE)
    console.print(f"The largest within {100 * TOLERANCE:g} point of the best: {chosen}")
    return [table.write(folder / "table.csv")]
