"""Alg. 1 on arrays: minival is cut off, and `core.training.fit` does the rest.

Shape letters: N samples.
"""

import numpy as np
import numpy.typing as npt
import torch

from core.config import TrainConfig
from core.data import Dataset, Split
from core.data.splits import stratified_holdout
from core.errors import ConfigError, DataError
from core.extractor._inputs import Images
from core.methods import create_state
from core.model import IntersectionModel
from core.training import fit
from core.tree import DecisionTree

Rows = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int64]


def train(
    config: TrainConfig,
    images_NCHW: Images,
    labels_N: Labels,
    *,
    class_names: tuple[str, ...],
    validation_fraction: float,
    device: torch.device | str,
) -> tuple[IntersectionModel, DecisionTree, list[float]]:
    """Run Alg. 1 to its end: the reported epoch's network and tree, and minival by epoch.

    Raises
    ------
    ConfigError, DataError
        If minival cannot be cut off; see `holdout`. If the config names another method.
    """
    if config.method != "intersection":
        raise ConfigError(
            f"`method` must be 'intersection' for an AttributeExtractor, but is {config.method!r}."
        )
    train_rows, minival_rows = holdout(labels_N, validation_fraction, config=config)
    dataset = Dataset(
        name=config.dataset,
        class_names=class_names,
        attribute_names=(),
        train=as_split(images_NCHW[train_rows], labels_N[train_rows]),
        minival=as_split(images_NCHW[minival_rows], labels_N[minival_rows]),
        test=as_split(images_NCHW[:0], labels_N[:0]),
    )
    state = create_state(
        config,
        in_channels=images_NCHW.shape[1],
        num_classes=len(class_names),
        device=device,
    )
    for _ in fit(state, dataset):
        pass
    model = state.model
    if not isinstance(model, IntersectionModel) or state.tree is None:
        raise RuntimeError("A finished run of Alg. 1 has its network and a tree.")
    return model, state.tree, list(state.minival_accuracies)


def as_split(images_NCHW: Images, labels_N: Labels | None = None) -> Split:
    """Samples without attributes; without labels, all of class 0."""
    count = len(images_NCHW)
    return Split(
        images_NCHW=images_NCHW,
        labels_N=np.zeros(count, dtype=np.int64) if labels_N is None else labels_N,
        attributes_NA=np.zeros((count, 0), dtype=np.bool_),
    )


def holdout(labels_N: Labels, fraction: float, *, config: TrainConfig) -> tuple[Rows, Rows]:
    """Rows to train on and rows of minival, both ascending.

    Stratified: about `fraction` of each class goes to minival, at least one row and never all. A
    class with a single row keeps it for training. One row more goes to minival when the last batch
    of an epoch would otherwise have a single row, which BatchNorm cannot take.

    Raises
    ------
    ConfigError
        If `fraction` is outside (0, 1), or if batches of a single row cannot be avoided.
    DataError
        If no class has two rows.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"`validation_fraction` must lie in (0, 1), but got {fraction!r}.")
    counts = np.bincount(labels_N)
    (divisible,) = np.nonzero(counts[labels_N] > 1)
    if not len(divisible):
        raise DataError(
            f"At least one class must have two samples, one of them to validate with, but each of "
            f"the {len(labels_N)} samples has a class of its own."
        )
    kept, held_out = stratified_holdout(labels_N[divisible], fraction, seed=config.split_seed)
    single = np.flatnonzero(counts[labels_N] == 1)
    train_rows = np.sort(np.concatenate([divisible[kept], single]))
    minival_rows = divisible[held_out]
    last_batch = len(train_rows) % config.batch_size or config.batch_size
    if config.trunk_norm == "batch" and last_batch == 1:
        train_rows, minival_rows = _move_one(train_rows, minival_rows, labels_N, config)
    return train_rows, minival_rows


def _move_one(
    train_rows: Rows, minival_rows: Rows, labels_N: Labels, config: TrainConfig
) -> tuple[Rows, Rows]:
    """Move the last training row of the largest class to minival."""
    counts = np.bincount(labels_N[train_rows])
    if config.batch_size == 1 or counts.max() < 2:
        raise ConfigError(
            f"`batch_size` {config.batch_size} leaves a batch of one of {len(train_rows)} training "
            "samples, which BatchNorm cannot take: choose another batch size, or "
            "`other_settings={'trunk_norm': 'group'}`."
        )
    moved = train_rows[labels_N[train_rows] == counts.argmax()][-1]
    return train_rows[train_rows != moved], np.sort(np.append(minival_rows, moved))
