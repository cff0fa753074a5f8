"""Choose a dataset's sparsity weight, lambda_3, on minival accuracy alone.

    python -m sweep.sparsity_weight --dataset field_guide

The presets hold the largest weight whose mean minival accuracy is within one point of the best.
Attributes play no part in the choice.

9 trials, about 2 minutes on two cores. Expect 0.003 on field_guide: accuracy falls by ten points
from there to 0.01.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report.weight import build as build_report
from sweep.spec import SweepSpec, weight_sweep

WEIGHTS = (0.001, 0.003, 0.01)


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """The whole method at several weights."""
    return weight_sweep(base, seeds, "sparsity_weight", WEIGHTS)


EXPERIMENT = Experiment(description=__doc__ or "", build=build, report=build_report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
