"""A sweep of one small trial whose epochs take seconds: python -m tests.sweep.long_epochs."""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.spec import SweepSpec
from tests.sweep.tiny import TINY, report


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    return SweepSpec(
        name="long_epochs",
        title="long epochs",
        base=base.replace({**TINY, "feature_dim": 32, "batch_size": 1, "num_epochs": 3}),
        arms={"all": {}},
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__, build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
