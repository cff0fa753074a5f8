"""Real steps of a method on a few blank images, with torch counting.

Shape letters: N samples, C channels, H height, W width.
"""

import collections
import hashlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from core.backbones import build_trunk
from core.config import TrainConfig
from core.data import Split
from core.data.loader import Batch
from core.flops._run import Phase, RunFlops
from core.flops._uncomputed import UncomputedConvolutions
from core.methods import create_state
from core.training import EpochEnd, Step, Timer

_SIDES = 64, 128
"""Pixels of images that stand for larger ones: multiples of 32, so that a trunk of five strides,
and NTS-Net's parts of half the side, cover whole cells."""

_NUM_TRAIN = 10
"""Five classes of two images, and one image for ANT's tenth that is held out."""

_GROWING: Mapping[str, Any] = {"quantized_dt.min_samples": 1, "quantized_dt.tau": 1e9}
"""A tree that splits at its first batch: until it has split, no gradient reaches the network."""


def count_run(
    config: TrainConfig, *, image_shape: tuple[int, int, int], num_classes: int, folder: Path
) -> RunFlops:
    """Count the operations of a run's convolutions and matrix products, the network's only.

    One step and one end of an epoch are counted of each phase (`Method.phase`), and one evaluation.
    Images of more than 128 pixels are counted at 64 and 128 pixels, and from there on a straight
    line in the number of pixels, which is exact for convolutions on sides that are multiples of 32,
    and not for attention between cells. Convolutions are not computed, so it takes two seconds.

    Not counted: trees of tests on levels, what is no product (normalisations, activations,
    optimizers), decoding. ANT is counted with its root alone, whose trunk learns throughout, and a
    Hoeffding tree as one that has split. Of a grouped convolution, which a ResNet-50 has none of,
    torch counts one of the two gradients as if there were no groups.

    Parameters
    ----------
    config
        Of the run. Its first weights are not read: random ones take their place.
    image_shape
        (channels, height, width).
    num_classes
        Of the data.
    folder
        Where the random first weights are kept, one file a trunk, for the next count.

    Raises
    ------
    ConfigError
        If the config cannot be trained.

    Examples
    --------
    >>> flops = count_run(
    ...     preset_config("cub"), image_shape=(3, 448, 448), num_classes=200, folder=scratch
    ... )  # doctest: +SKIP
    >>> round(flops.train_image / 1e9), round(flops.recognize / 1e9)  # doctest: +SKIP
    (216, 72)
    """
    config = config.replace({"precision": "fp32", "compile": False})
    if config.weights is not None:
        file = _random_weights(config, in_channels=image_shape[0], folder=folder)
        config = config.replace({"weights": str(file), "weights_sha256": None})
    channels, height, width = image_shape
    if max(height, width) <= _SIDES[1]:
        return _count(config, image_shape, num_classes)
    small, large = (_count(config, (channels, side, side), num_classes) for side in _SIDES)
    low, high = (side * side for side in _SIDES)
    return small.extrapolated(large, (height * width - low) / (high - low))


def _count(config: TrainConfig, shape: tuple[int, int, int], num_classes: int) -> RunFlops:
    if config.method == "quantized_dt":
        config = config.replace(_GROWING)
    method = create_state(config, in_channels=shape[0], num_classes=num_classes).method
    train = _blank(_NUM_TRAIN, shape, num_classes)
    batch = Batch(
        torch.from_numpy(train.images_NCHW),
        torch.from_numpy(train.labels_N),
        _NUM_TRAIN,
        torch.arange(_NUM_TRAIN),
    )
    epochs = [method.phase(epoch) for epoch in range(config.num_epochs)]

    def end_with(epoch: int, num_minival: int) -> Callable[[], object]:
        minival = _blank(num_minival, shape, num_classes)
        at = EpochEnd(epoch=epoch, train=train, minival=minival, timer=Timer())
        return lambda: method.end_epoch(at)

    prepare = _flops(lambda: method.prepare(train, Timer()))
    phases = {}
    for name, num_epochs in collections.Counter(epochs).items():
        epoch = epochs.index(name)
        method.start_epoch(epoch)
        method.model.train()
        at = Step(epoch=epoch, index=0, num_train=_NUM_TRAIN, timer=Timer())
        step = _flops(lambda at=at: method.step(batch, at))  # type: ignore[misc]
        two, four = (_flops(end_with(epoch, num_minival)) for num_minival in (2, 4))
        minival = (four - two) / 2
        phases[name] = Phase(
            num_epochs=num_epochs,
            train=(step + two - 2 * minival) / _NUM_TRAIN,
            minival=minival,
        )
    method.model.eval()
    with torch.inference_mode():
        recognize = _flops(lambda: method.model.recognize(batch.images_BCHW))
    return RunFlops(prepare=prepare / _NUM_TRAIN, recognize=recognize / _NUM_TRAIN, phases=phases)


def _flops(action: Callable[[], object]) -> int:
    """Of one call, whose warnings are about images that are noise."""
    with (
        torch.random.fork_rng(devices=[]),
        warnings.catch_warnings(action="ignore"),
        UncomputedConvolutions(),
        FlopCounterMode(display=False) as counter,
    ):
        action()
    total: int = counter.get_total_flops()
    return total


def _blank(count: int, shape: tuple[int, int, int], num_classes: int) -> Split:
    """Noise, two images a class."""
    pixels = np.random.default_rng(0).integers(0, 256, size=(count, *shape), dtype=np.uint8)
    return Split(
        images_NCHW=pixels,
        labels_N=np.arange(count, dtype=np.int64) // 2 % num_classes,
        attributes_NA=np.zeros((count, 0), dtype=np.bool_),
    )


def _random_weights(config: TrainConfig, *, in_channels: int, folder: Path) -> Path:
    """A file in the place of first weights: that there are some changes what a method does."""
    named = f"{config.trunk} {config.trunk_norm} {config.trunk_width} {in_channels}"
    file = folder / f"{hashlib.sha256(named.encode()).hexdigest()[:12]}.safetensors"
    if not file.exists():
        trunk, _ = build_trunk(
            config.trunk, in_channels=in_channels, width=config.trunk_width, norm=config.trunk_norm
        )
        save_file(trunk.state_dict(), file)
    return file
