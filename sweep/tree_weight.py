"""Choose a dataset's tree weight, lambda_2, on minival accuracy alone.

    python -m sweep.tree_weight --dataset field_guide

The presets hold the largest weight whose mean minival accuracy is within one point of the best.
Attributes play no part in the choice.

9 trials, about 3 minutes on two cores. Expect 2 on field_guide, and two points less accuracy at 5.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report.weight import build as build_report
from sweep.spec import SweepSpec, weight_sweep

WEIGHTS = (1.0, 2.0, 5.0)


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """The whole method at several weights."""
    return weight_sweep(base, seeds, "tree_weight", WEIGHTS)


EXPERIMENT = Experiment(description=__doc__ or "", build=build, report=build_report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
