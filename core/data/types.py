"""The form that every dataset is given in.

Shape letters: N samples, C channels, H height, W width, A attributes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from core.data.images import ArrayImages, ImageSource, Pixels
from core.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False, init=False)
class Split:
    """Images, labels and attributes of one part of a dataset, row by row.

    Parameters
    ----------
    images_NCHW
        Pixels, 0 to 255, uint8, or float32, which the model takes as they are; or
    images
        where they come from, in its place.
    labels_N, attributes_NA
        See below.

    Raises
    ------
    DataError
        If the arrays have other dtypes or dimensions, or different numbers of rows.
    """

    images: ImageSource

    labels_N: npt.NDArray[np.int64]
    """Class of each image, counted from 0."""

    attributes_NA: npt.NDArray[np.bool_]
    """Which semantic attributes hold. Read by `core.fidelity` alone, never by training."""

    def __init__(
        self,
        *,
        images_NCHW: Pixels | None = None,
        images: ImageSource | None = None,
        labels_N: npt.NDArray[np.int64],
        attributes_NA: npt.NDArray[np.bool_],
    ) -> None:
        if images is None and images_NCHW is not None:
            images = ArrayImages(images_NCHW)
        elif images is None or images_NCHW is not None:
            given = "neither" if images is None else "both"
            raise DataError(f"A split takes `images_NCHW` or `images`, but {given} was given.")
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "labels_N", labels_N)
        object.__setattr__(self, "attributes_NA", attributes_NA)
        self._check()

    def _check(self) -> None:
        rows = {len(self.images), len(self.labels_N), len(self.attributes_NA)}
        if len(rows) != 1:
            raise DataError(
                "A split's arrays must have one row per sample, but there are "
                f"{len(self.images)} images, {len(self.labels_N)} labels and "
                f"{len(self.attributes_NA)} attribute rows."
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

    @property
    def images_NCHW(self) -> Pixels:
        """All pixels of a split that is held in memory.

        Raises
        ------
        DataError
            If the images are decoded batch by batch.
        """
        if not isinstance(self.images, ArrayImages):
            raise DataError(
                "`images_NCHW` is there for images in memory alone, but these are decoded batch by "
                "batch: use `images.batches`."
            )
        return self.images.images_NCHW


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
            if split.images.shape != self.train.images.shape:
                raise DataError(
                    f"All splits of {self.name!r} must hold images of one shape, but train has "
                    f"{self.train.images.shape} and {split_name} {split.images.shape}."
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
        return self.train.images.shape

    def splits(self) -> Iterator[tuple[str, Split]]:
        yield "train", self.train
        yield "minival", self.minival
        yield "test", self.test

    def _hash(self) -> str:
        digest = hashlib.sha256()
        digest.update(repr((self.name, self.class_names, self.attribute_names)).encode())
        for split_name, split in self.splits():
            header, content = split.images.identity()
            digest.update(f"{split_name}{header}".encode())
            digest.update(content)
            for array in (split.labels_N, split.attributes_NA):
                digest.update(f"{split_name}{array.shape}{array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
