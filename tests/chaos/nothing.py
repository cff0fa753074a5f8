"""A sweep of trials that do almost nothing: python -m tests.chaos.nothing --seeds 1000."""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.spec import SweepSpec
from tests.sweep.tiny import TINY, report


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    return SweepSpec(
        name="nothing",
        title="nothing",
        base=base.replace({**TINY, "batch_size": 512}),
        arms={"all": {}},
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__, build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
