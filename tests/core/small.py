"""A small dataset and config on which a run takes a fraction of a second."""

import numpy as np

from core.config import TrainConfig
from core.data import Dataset, Split


def small_dataset(*, num_train: int = 96, attributes_seed: int = 0) -> Dataset:
    """Four classes of 8x8 images: which quarter is bright. Attributes are random."""
    rng = np.random.default_rng(0)
    attribute_rng = np.random.default_rng(attributes_seed)

    def split(count: int) -> Split:
        labels = np.arange(count) % 4
        images = rng.integers(0, 120, size=(count, 1, 8, 8))
        for image, label in zip(images, labels, strict=True):
            row, column = divmod(int(label), 2)
            image[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 130
        return Split(
            images_NCHW=images.astype(np.uint8),
            labels_N=labels.astype(np.int64),
            attributes_NA=attribute_rng.random((count, 3)) < 0.3,
        )

    return Dataset(
        name="small",
        class_names=("a", "b", "c", "d"),
        attribute_names=("x", "y", "z"),
        train=split(num_train),
        minival=split(24),
        test=split(32),
    )


def small_config(**changes: object) -> TrainConfig:
    """The paper's weights at a small size."""
    return TrainConfig().replace(
        {
            "feature_dim": 12,
            "hidden_dim": 16,
            "trunk_width": 4,
            "trunk_norm": "group",
            "trunk_learning_rate_scale": 1.0,
            "num_bits": 3,
            "max_depth": 4,
            "num_epochs": 4,
            "batch_size": 20,
            "learning_rate": 0.05,
            "drops_to_stop": None,
            **changes,
        }
    )
