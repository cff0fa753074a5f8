"""A sweep with a trunk that keeps batch statistics: python -m tests.sweep.batchnorm --help."""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.spec import SweepSpec
from tests.sweep.tiny import TINY, report


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    return SweepSpec(
        name="batchnorm",
        title="batchnorm",
        base=base.replace({**TINY, "trunk_norm": "batch"}),
        references={"batch statistics": {}},
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__, build=build, report=report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
