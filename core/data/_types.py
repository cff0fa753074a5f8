"""The in-memory form that every dataset is given in.

Shape letters: N samples, C channels, H height, W width, A attributes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from core.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Images, labels and attributes of one part of a dataset, row by row."""

    images_NCHW: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    """Pixels, 0 to 255; or float32, which the model takes as they are."""

    labels_N: npt.NDArray[np.int64]
    """Class of each image, counted from 0."""

    attributes_NA: npt.NDArray[np.bool_]
    """Which semantic attributes hold. Read by `core.fidelity` alone, never by training."""

    def __post_init__(self) -> None:
        rows = {len(self.images_NCHW), len(self.labels_N), len(self.attributes_NA)}
        if len(rows) != 1:
            raise DataError(
                "A split's arrays must have one row per sample, but there are "
                f"{len(self.images_NCHW)} images, {len(self.labels_N)} labels and "
                f"{len(self.attributes_NA)} attribute rows."
            )
        if self.images_NCHW.ndim != 4 or self.images_NCHW.dtype not in (np.uint8, np.float32):
            raise DataError(
                "`images_NCHW` must be a uint8 or float32 array of four dimensions, but has dtype "
                f"{self.images_NCHW.dtype} and shape {self.images_NCHW.shape}."
            )

        if self.labels_N.ndim != 1 or self.labels_N.dtype != np.int64:
            raise DataError(
                "`labels_N` must be an int64 array of one dimension, but has dtype "
                f"{self.labels_N.dtype} and shape {self.labels_N.shape}."
            )
        if self.attributes_NA.ndim != 2 or self.attributes_NA.dtype != np.bool_:
            raise DataError(
                "`attributes_NA` must be a bool array of two dimensions, but has dtype "
                f"{self.attributes_NA.dtype} and shape {self.attributes_NA.shape}."
            )

    def __len__(self) -> int:
        return len(self.labels_N)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A dataset cut into its three splits.

    `train` is for gradients and for the tree's S', `minival` for early stopping and search
    objectives, `test` for reported numbers only.
    """

    name: str
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    train: Split
    minival: Split
    test: Split
    fingerprint: str = field(init=False)
    """SHA-256 over names and arrays of all splits: the identity of the data a run saw."""

    def __post_init__(self) -> None:
        for kind, names in (("class", self.class_names), ("attribute", self.attribute_names)):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise DataError(
                    f"Each {kind} of {self.name!r} must have a name of its own, but "
                    f"{repeated[0]!r} occurs {names.count(repeated[0])} times."
                )
        for split_name, split in self.splits():
            if split.images_NCHW.shape[1:] != self.train.images_NCHW.shape[1:]:
                raise DataError(
                    f"All splits of {self.name!r} must hold images of one shape, but train has "
                    f"{self.train.images_NCHW.shape[1:]} and {split_name} "
                    f"{split.images_NCHW.shape[1:]}."
                )
            if split.attributes_NA.shape[1] != len(self.attribute_names):
                raise DataError(
                    f"Split {split_name!r} of {self.name!r} has {split.attributes_NA.shape[1]} "
                    f"attribute columns, but {len(self.attribute_names)} names were given."
                )
            if len(split) and not (
                split.labels_N.min() >= 0 and split.labels_N.max() < len(self.class_names)
            ):
                raise DataError(
                    f"Labels of split {split_name!r} of {self.name!r} must lie in "
                    f"[0, {len(self.class_names)}), but reach from {split.labels_N.min()} to "
                    f"{split.labels_N.max()}."
                )
        object.__setattr__(self, "fingerprint", self._hash())

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.train.images_NCHW.shape[1:]
        return channels, height, width

    def splits(self) -> Iterator[tuple[str, Split]]:
        yield "train", self.train
        yield "minival", self.minival
        yield "test", self.test

    def _hash(self) -> str:
        digest = hashlib.sha256()
        digest.update(repr((self.name, self.class_names, self.attribute_names)).encode())
        for split_name, split in self.splits():
            for array in (split.images_NCHW, split.labels_N, split.attributes_NA):
                digest.update(f"{split_name}{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
