"""How fidelity and accuracy depend on the Bernoulli p of the sparsity loss, for L1 and L2.

The paper's Fig. 4 ("Randomized regularization", section 6.2), on a bundled dataset by default:

    python -m sweep.ablation_p
    ray job submit --working-dir . -- python -m sweep.ablation_p --dataset digits

p in {0, 0.1, 0.3, 0.5, 0.8, 1} x {l1, l2} x seeds, and two reference lines at the same budget: the
quantized network, and the one with the tree only.

36 training runs, 1 min 4 s on two cores. Expect fidelity to rise with p up to p = 1 on digits, more
with L2, whose term is the larger at equal weight; the paper finds L1 better, and a fall towards
p = 1.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report.ablation_p import build as build_report
from sweep.spec import SweepSpec, grid

PROBABILITIES = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
NORMS = ("l1", "l2")
REFERENCES = {
    "quantized network": {"tree_weight": 0.0, "sparsity_weight": 0.0},
    "tree only": {"sparsity_weight": 0.0},
}


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """The grid of Fig. 4 over a base config."""
    return SweepSpec(
        name="ablation_p",
        title=f"Randomized regularization on {base.dataset} (Fig. 4)",
        base=base,
        arms=REFERENCES | grid(sparsity_norm=NORMS, mask_probability=PROBABILITIES),
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__ or "", build=build, report=build_report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
