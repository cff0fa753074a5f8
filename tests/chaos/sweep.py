"""A sweep for faults: trials of many steps, none of which takes long."""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.spec import SweepSpec, grid
from tests.sweep.tiny import TINY, report

NAME = "chaos"
NUM_EPOCHS = 6


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    return SweepSpec(
        name=NAME,
        title=NAME,
        base=base.replace({**TINY, "feature_dim": 32, "batch_size": 2, "num_epochs": NUM_EPOCHS}),
        arms=grid(mask_probability=(0.0, 1.0)),
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__, build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
