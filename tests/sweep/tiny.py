"""A sweep of a few seconds, for the system tests: python -m tests.sweep.tiny --help."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.engine.runner import SweepResult
from sweep.spec import SweepSpec
from sweep.tracking import metrics

TINY = {
    "feature_dim": 8,
    "hidden_dim": 8,
    "trunk_width": 4,
    "trunk_norm": "group",
    "num_bits": 3,
    "batch_size": 128,
    "max_depth": 3,
}


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    return SweepSpec(
        name="tiny",
        title="tiny",
        base=base.replace(TINY),
        axes={"mask_probability": (0.0, 1.0)},
        references={"quantized network": {"tree_weight": 0.0, "sparsity_weight": 0.0}},
        seeds=seeds,
    )


def report(spec: SweepSpec, result: SweepResult, folder: Path, console: Console) -> Sequence[Path]:
    """Every final metric but the timings, so that two runs can be compared byte by byte."""
    path = folder / "table.csv"
    keys = [key for key in metrics.FINAL_METRICS if "seconds" not in key]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arm", "seed", *keys])
        for trial in result.trials:
            writer.writerow([trial.arm, trial.seed, *(trial.final.get(key) for key in keys)])
    return [path]


EXPERIMENT = Experiment(description=__doc__, build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
