"""A small config for each method, and data of any number of classes and any shape."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from core.config import TrainConfig
from core.data import Dataset, Split
from core.methods import create_state
from core.training import EpochResult, TrainState, fit
from tests.core.small import small_config

CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "ant": {"trunk": "conv", "ant.learning_rate": 0.004, "ant.node_epochs": 2, "ant.holdout": 0.2},
    "dfl": {"trunk": "conv"},
    "apinet": {
        "trunk": "conv",
        "apinet.classes_per_batch": 4,
        "apinet.frozen_trunk_epochs": 1,
    },
    "diversity": {"trunk": "conv"},
    "intersection": {"trunk": "conv"},
    "jigsaw": {
        "trunk": "pmg:test_resnet",
        "trunk_norm": "batch",
        "learning_rate": 0.01,
        "jigsaw.pieces_per_side": [4, 2, 2],
    },
    "nts": {"trunk": "conv"},
    "pipnet": {
        "trunk": "conv",
        "pipnet.pretrain_epochs": 1,
        "pipnet.prototype_learning_rate": 0.02,
    },
    "protopnet": {
        "trunk": "conv",
        "protopnet.warm_epochs": 1,
        "protopnet.push_every": 1,
        "protopnet.decay_every": 100,
        "protopnet.last_layer_epochs": 2,
    },
    "quantized_dt": {
        "trunk": "conv",
        "quantized_dt.min_samples": 16,
        "quantized_dt.delta": 0.1,
        "quantized_dt.max_leaves": 16,
    },
    "region_grouping": {"trunk": "conv"},
    "sae": {"trunk": "conv", "sae.num_active": 3, "sae.learning_rate": 0.01},
    "sdt": {"trunk": "conv", "sdt.depth": 4},
    "wsdan": {"trunk": "conv", "feature_dim": 16, "learning_rate": 0.01},
}
"""What a method needs beside `small_config`. A new method adds a line."""

EPOCHS_TO_OVERFIT = {
    "ant": 80,
    "apinet": 10,
    "dfl": 25,
    "diversity": 30,
    "intersection": 25,
    "jigsaw": 5,
    "nts": 25,
    "pipnet": 30,
    "protopnet": 20,
    "quantized_dt": 40,
    "region_grouping": 25,
    "sae": 25,
    "sdt": 40,
    "wsdan": 40,
}
"""How long a method takes to learn 64 images by heart."""


OVERFIT_ACCURACY: Mapping[str, float] = {"ant": 0.95, "sdt": 0.95}
"""What share of them it must get right, where that is not 0.98."""


def config_of(method: str, **changes: object) -> TrainConfig:
    """A config that trains in a fraction of a second an epoch."""
    values = {"num_epochs": 2, "batch_size": 16, **CONFIGS[method], **changes}
    return small_config(method=method, **values)


def striped(
    num_classes: int = 4,
    shape: tuple[int, int, int] = (1, 8, 8),
    *,
    num_train: int = 48,
    attributes_seed: int = 0,
    minival_is_random: bool = False,
) -> Dataset:
    """Noise with a bright vertical stripe whose place is the class, unless minival's is random."""
    rng = np.random.default_rng(0)
    attribute_rng = np.random.default_rng(attributes_seed)

    def split(count: int, *, is_random: bool = False) -> Split:
        labels_N = np.arange(count) % num_classes
        images = rng.integers(0, 90, size=(count, *shape))
        for image, label in zip(images, labels_N, strict=True):
            left = label * shape[2] // num_classes
            image[:, :, left : left + max(1, shape[2] // num_classes)] += 160
        if is_random:
            labels_N = rng.permutation(labels_N)
        return Split(
            images_NCHW=images.astype(np.uint8),
            labels_N=labels_N.astype(np.int64),
            attributes_NA=attribute_rng.random((count, 3)) < 0.3,
        )

    return Dataset(
        name="striped",
        class_names=tuple(map(str, range(num_classes))),
        attribute_names=("x", "y", "z"),
        train=split(num_train),
        minival=split(12 * num_classes, is_random=minival_is_random),
        test=split(6 * num_classes),
    )


def start(config: TrainConfig, dataset: Dataset) -> TrainState:
    return create_state(config, in_channels=dataset.image_shape[0], num_classes=dataset.num_classes)


def train(config: TrainConfig, dataset: Dataset) -> tuple[TrainState, list[EpochResult]]:
    state = start(config, dataset)
    return state, list(fit(state, dataset))


def digest_of(method: str) -> str:
    """SHA-256 over all numbers of a run at one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    state, results = train(config_of(method), striped())
    torch.set_num_threads(threads)
    numbers = hashlib.sha256()
    for result in results:
        numbers.update(repr((dict(result.losses), result.minival_accuracy)).encode())
    for name, tensor in state.model.state_dict().items():
        numbers.update(name.encode() + tensor.numpy().tobytes())
    return numbers.hexdigest()
