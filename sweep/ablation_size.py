"""Fidelity, accuracy and gain over no training, by number of features n and of bits r.

The paper's Fig. 2 ("Feature dimension and the number of bits", section 6.2):

    python -m sweep.ablation_size
    python -m sweep.ablation_size --dataset cub --data PATH --gpus-per-trial 1

The whole method and the quantized network at every (n, r), with r in {2, 4, 8}. The paper's preset,
on its data sets: n in {256, 512, 1024} and 20 seeds. The laptop's, on bundled ones: n in
{32, 64, 128} and 5 seeds.

Eq. 3 is a maximum over n 2^(r+1) candidates, which a network has without any training. So the
control is the same network before training: what it scores at each (n, r) stands beside, and what
training added is the gain.

90 training runs on digits took 22 min on two cores that other work kept busy five times over.
Expect ours ahead by 9 to 13 points at 8 bits and by next to nothing at 2, which are the best at
every n. Untrained, a network scores 2 to 4 points more with n, and up to 3 less with r.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from core.data import BUNDLED_DATASETS
from sweep.cli import Experiment, Repetitions, main
from sweep.report.ablation_size import build as build_report
from sweep.spec import SweepSpec, cross

BITS = (2, 4, 8)
FEATURES = (256, 512, 1024)
FEATURES_BUNDLED = (32, 64, 128)
METHODS = {"quantized network": {"tree_weight": 0.0, "sparsity_weight": 0.0}, "ours": {}}


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """Both methods at every size."""
    features = FEATURES_BUNDLED if base.dataset in BUNDLED_DATASETS else FEATURES
    return SweepSpec(
        name="ablation_size",
        title=f"Number of features and of bits on {base.dataset} (Fig. 2)",
        base=base,
        arms=cross(METHODS, feature_dim=features, num_bits=BITS),
        seeds=seeds,
    )


EXPERIMENT = Experiment(
    description=__doc__ or "",
    build=build,
    report=build_report,
    repetitions=Repetitions(bundled=5, archives=20),
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
