"""How fidelity and accuracy depend on the Bernoulli p of the sparsity loss, for L1 and L2.

The paper's Fig. 4 ("Randomized regularization", section 6.2), on a bundled dataset by default:

    python -m sweep.ablation_p
    ray job submit --working-dir . -- python -m sweep.ablation_p --dataset digits

p in {0, 0.1, 0.3, 0.5, 0.8, 1} x {l1, l2} x seeds, and two reference lines at the same budget: the
quantized network, and the one with the tree only.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report.ablation_p import build as build_report
from sweep.spec import SweepSpec

PROBABILITIES = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
NORMS = ("l1", "l2")
QUANTIZED = "quantized network"
TREE_ONLY = "tree only"


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """The grid of Fig. 4 over a base config."""
    return SweepSpec(
        name="ablation_p",
        title=f"Randomized regularization on {base.dataset} (Fig. 4)",
        base=base,
        axes={"sparsity_norm": NORMS, "mask_probability": PROBABILITIES},
        references={
            QUANTIZED: {"tree_weight": 0.0, "sparsity_weight": 0.0},
            TREE_ONLY: {"sparsity_weight": 0.0},
        },
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__ or "", build=build, report=build_report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
