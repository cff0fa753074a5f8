"""A sweep of one small trial: python -m tests.sweep.single --set trunk_norm=group."""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.spec import SweepSpec
from tests.sweep.tiny import TINY, report


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    return SweepSpec(
        name="single",
        title="single",
        base=base.replace({**TINY, "trunk_norm": base.trunk_norm}),
        arms={"all": {}},
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__, build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
