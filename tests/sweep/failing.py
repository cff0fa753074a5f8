"""A sweep half of whose trials diverge: python -m tests.sweep.failing --help."""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.spec import SweepSpec, grid
from tests.sweep.tiny import TINY, report


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    return SweepSpec(
        name="failing",
        title="failing",
        base=base.replace(TINY),
        arms=grid(learning_rate=(0.01, 1e30)),
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__, build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
