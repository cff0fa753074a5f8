"""Choose a dataset's sparsity weight, lambda_3, on minival accuracy alone.

    python -m sweep.sparsity_weight --dataset field_guide

The presets hold the largest weight whose mean minival accuracy is within one point of the best.
Attributes play no part in the choice.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report.table import ArmTable
from sweep.runner import SweepResult
from sweep.spec import SweepSpec, arm_name

WEIGHTS = (0.001, 0.003, 0.01)
TOLERANCE = 0.01


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """The whole method at several weights."""
    return SweepSpec(
        name="sparsity_weight",
        title=f"Sparsity weight on {base.dataset}",
        base=base,
        axes={"sparsity_weight": WEIGHTS},
        seeds=seeds,
    )


def report(spec: SweepSpec, result: SweepResult, folder: Path, console: Console) -> Sequence[Path]:
    """Show minival accuracy, and the weight that the rule picks."""
    table = ArmTable.of(spec, result)
    means = {
        weight: spread.mean
        for weight in spec.axes["sparsity_weight"]
        if (spread := table.spreads["minival"].get(arm_name({"sparsity_weight": weight})))
    }
    for weight, mean in means.items():
        console.print(f"sparsity_weight={weight}: minival accuracy {100 * mean:.1f}")
    best = max(means.values())
    chosen = max(weight for weight, mean in means.items() if mean >= best - TOLERANCE)
    console.print(f"The largest within {100 * TOLERANCE:g} point of the best: {chosen}")
    return [table.write(folder / "table.csv")]


EXPERIMENT = Experiment(description=__doc__ or "", build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
