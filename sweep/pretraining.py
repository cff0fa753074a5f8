"""What a pretrained trunk adds: EfficientNet-Lite0 with ImageNet weights, and from scratch.

    python -m sweep.pretraining --dataset field_guide

The whole method with either, at 96 pixels and at equal budget: the same epochs, batches, seeds and
step sizes. For each the report takes the step size of best minival accuracy, and then compares the
two. Nothing is downloaded: the weights come with the extra `[pretrained]`.

12 trials, about 23 minutes on two cores. Expect the pretrained trunk far ahead in accuracy, by some
seven points in fidelity: 16 epochs are few for a network of this size that starts from nothing.
"""

import sys
from collections.abc import Sequence

from core.config import TrainConfig
from sweep.cli import Experiment, main
from sweep.report.pretraining import build as build_report
from sweep.spec import SweepSpec, grid

PRETRAINED, SCRATCH = "lite0", None
"""Values of `weights`."""

RATES = (0.05, 0.1)
SETTINGS = {
    "image_size": 96,
    "trunk": "tf_efficientnet_lite0",
    "channels_last": True,  # twice as fast on a CPU
    "num_epochs": 16,
}


def build(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    """Both first weights at every step size."""
    return SweepSpec(
        name="pretraining",
        title=f"Pretrained and from scratch on {base.dataset}",
        base=base,
        arms=grid(weights=(PRETRAINED, SCRATCH), learning_rate=RATES),
        seeds=seeds,
    )


EXPERIMENT = Experiment(
    description=__doc__ or "", build=build, report=build_report, settings=SETTINGS
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
