"""What each part of the method adds: quantized network, + sparsity, + tree, and both.

The ablation rows of the paper's Table 1, at equal budget and with paired seeds:

    python -m sweep.ablation_parts --dataset field_guide --seeds 5

The report gives the paired differences over the seeds with their 95 % confidence intervals.

20 trials, about 4 minutes on two cores. Expect fidelity to rise from the quantized network over the
tree and sparsity to both, by about 4 points in all, and no difference in accuracy that shows.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report.ablation_parts import build as build_report
from sweep.spec import SweepSpec

QUANTIZED = "quantized network"
SPARSITY = "+ sparsity"
TREE = "+ tree"
BOTH = "+ both"


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """Four arms over a base config that has both weights above 0."""
    return SweepSpec(
        name="ablation_parts",
        title=f"Parts of the method on {base.dataset}",
        base=base,
        arms={
            QUANTIZED: {"tree_weight": 0.0, "sparsity_weight": 0.0},
            SPARSITY: {"tree_weight": 0.0},
            TREE: {"sparsity_weight": 0.0},
            BOTH: {},
        },
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__ or "", build=build, report=build_report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
