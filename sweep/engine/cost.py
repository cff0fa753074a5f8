"""What the trials of a sweep should cost on GPUs, worked out before any of them runs."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config import TrainConfig
from core.data.archives import PUBLISHED_SIZES
from core.flops import RunFlops, SplitSizes, count_run
from sweep.engine.data import DataPlaces
from sweep.tracking.trials import TrialSpec

SUSTAINED_TERAFLOPS: Mapping[str, float] = {"fp32": 23.0, "bf16": 62.0}
"""What an A100 is assumed to sustain in a second, by `TrainConfig.precision`: 15 % of its peak of
156 in TF32, which torch takes for convolutions, and 20 % of its 312 in bfloat16. Neither
was measured."""

_PLAIN = TrainConfig(tree_weight=0.0, sparsity_weight=0.0)
_UNCOUNTED = (
    *("dataset", "seed", "split_seed", "learning_rate", "label_weight", "max_depth"),
    *("tree_weight", "sparsity_weight", "sparsity_norm", "sparsity_divisor", "mask_probability"),
)
_MINIVAL_SHARE = 0.1
_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of the trials of one arm, which differ in their seeds alone."""

    arm: str
    dataset: str
    num_trials: int
    flops: RunFlops
    total: float
    """Operations of one trial."""

    teraflops: float
    """What a GPU is assumed to sustain in a second."""

    @property
    def trial_hours(self) -> float:
        """Of one GPU, for one trial."""
        return self.total / (self.teraflops * 1e12) / 3600

    @property
    def hours(self) -> float:
        """Of one GPU, for all its trials."""
        return self.num_trials * self.trial_hours


def estimate_costs(
    trials: Iterable[TrialSpec], data: DataPlaces, *, teraflops: float | None = None
) -> list[Cost]:
    """Count the operations of the trials that train on packed data sets, arm by arm.

    Networks that differ in their classes alone are counted once, with the most of them: of a
    ResNet-50's operations at 448 pixels, a classifier's share is below a hundred-thousandth.

    Parameters
    ----------
    trials
        Those on bundled data need no GPU and are left out.
    data
        Where a data set has a place, its images are counted there; else they are the published
        ones.
    teraflops
        What a GPU sustains; None for `SUSTAINED_TERAFLOPS`.

    Raises
    ------
    ConfigError, DataError
        If a config cannot be trained, or its data not be read.
    """
    arms = Counter(
        (trial.arm, trial.config.replace({"seed": 0}))
        for trial in trials
        if trial.config.dataset in PUBLISHED_SIZES
    )
    sizes = {config: _sizes(config, data) for _, config in arms}
    flops = _count([config for _, config in arms], {c: k for c, (_, k) in sizes.items()})
    return [
        Cost(
            arm=arm,
            dataset=config.dataset,
            num_trials=num_trials,
            flops=flops[_network(config)],
            total=flops[_network(config)].total(sizes[config][0]),
            teraflops=teraflops or SUSTAINED_TERAFLOPS[config.precision],
        )
        for (arm, config), num_trials in arms.items()
    ]


def _sizes(config: TrainConfig, data: DataPlaces) -> tuple[SplitSizes, int]:
    """Images of the splits, and classes."""
    if config.dataset in data.paths:
        dataset = data.load(config)
        sizes = SplitSizes(*(len(split) for _, split in dataset.splits()))
        return sizes, dataset.num_classes
    published = PUBLISHED_SIZES[config.dataset]
    minival = round(_MINIVAL_SHARE * published.train)
    return SplitSizes(published.train - minival, minival, published.test), published.classes


def _count(
    configs: Sequence[TrainConfig], classes: Mapping[TrainConfig, int]
) -> dict[TrainConfig, RunFlops]:
    """By network."""
    most: dict[TrainConfig, int] = {}
    for config in configs:
        most[_network(config)] = max(most.get(_network(config), 0), classes[config])
    with tempfile.TemporaryDirectory() as folder:
        return {
            network: count_run(
                network,
                image_shape=(_CHANNELS, network.crop_size or 0, network.crop_size or 0),
                num_classes=num_classes,
                folder=Path(folder),
            )
            for network, num_classes in most.items()
        }


def _network(config: TrainConfig) -> TrainConfig:
    """A config without what no count depends on."""
    return config.replace({name: getattr(_PLAIN, name) for name in _UNCOUNTED})
