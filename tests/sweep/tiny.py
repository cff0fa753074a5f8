"""A sweep of a few seconds, for the system tests: python -m tests.sweep.tiny --help."""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report import Column, Report, Table
from sweep.spec import SweepSpec, grid
from sweep.tracking import metrics
from sweep.tracking.results import SweepResults

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
        arms={"quantized network": {"tree_weight": 0.0, "sparsity_weight": 0.0}}
        | grid(mask_probability=(0.0, 1.0)),
        seeds=seeds,
    )


def report(results: SweepResults) -> Report:
    """Every final metric but the timings, so that two runs can be compared byte by byte."""
    keys = [key for key in metrics.FINAL_METRICS if "seconds" not in key]
    rows = [
        [arm.name, seed, *(trial.final.get(key) for key in keys)]
        for arm in results.plan.arms
        for seed, trial in results.of_arm(arm.name).items()
    ]
    columns = [
        Column(name="arm", unit="text"),
        Column(name="seed", unit="count"),
        *(Column(name=key, unit="number", narrow=False) for key in keys),
    ]
    return Report(
        title="tiny", tables=[Table(name="table", title="tiny", columns=columns, rows=rows)]
    )


EXPERIMENT = Experiment(description=__doc__, build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
