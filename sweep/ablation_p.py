"""How fidelity and accuracy depend on the Bernoulli p of the sparsity loss, for L1 and L2.

The paper's Fig. 4 ("Randomized regularization", section 6.2), on a bundled dataset by default:

    python -m sweep.ablation_p
    ray job submit --working-dir . -- python -m sweep.ablation_p --dataset digits

p in {0, 0.1, 0.3, 0.5, 0.8, 1} x {l1, l2} x seeds, and two reference lines at the same budget: the
quantized network, and the one with the tree only. At equal weight the squared L2 term is the
larger one, so L2 also stands at equal penalty: its weight is smaller by `equal_penalty`.

51 training runs of digits took 11 min 33 s on two cores that other work kept busy five times over.
Expect fidelity to rise with p up to p = 1 for both norms; L2 far ahead at equal weight and level
with L1 at equal penalty. The paper finds L1 better, and a fall towards p = 1.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report.ablation_p import build as build_report
from sweep.spec import Arms, SweepSpec, grid

PROBABILITIES = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)
NORMS = ("l1", "l2")
REFERENCES = {
    "quantized network": {"tree_weight": 0.0, "sparsity_weight": 0.0},
    "tree only": {"sparsity_weight": 0.0},
}


def equal_penalty(num_levels: int) -> float:
    """Factor on L2's weight at which both norms ask the same of levels spread evenly.

    A level v that is uniform over 0 to L - 1 has E[v] = (L - 1) / 2 and
    E[v^2] = (L - 1)(2 L - 1) / 6, of which the first is 3 / (2 L - 1) of the second. The mask takes
    the same share of both. No run and no data have a say in it.

    Parameters
    ----------
    num_levels
        L = 2^r.

    Examples
    --------
    >>> round(equal_penalty(16), 4)
    0.0968
    """
    return 3 / (2 * num_levels - 1)


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """The grid of Fig. 4 over a base config, and L2 at equal penalty."""
    weight = base.sparsity_weight * equal_penalty(base.num_levels)
    return SweepSpec(
        name="ablation_p",
        title=f"Randomized regularization on {base.dataset} (Fig. 4)",
        base=base,
        arms=REFERENCES
        | grid(sparsity_norm=NORMS, mask_probability=PROBABILITIES)
        | Arms(
            {
                f"{name} equal-penalty": {**point, "sparsity_weight": weight}
                for name, point in grid(
                    sparsity_norm=("l2",), mask_probability=PROBABILITIES
                ).items()
            }
        ),
        seeds=seeds,
    )


EXPERIMENT = Experiment(description=__doc__ or "", build=build, report=build_report)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
