"""Arrays that users bring, checked and put in the form that the network takes.

Shape letters: N samples, C channels, H height, W width, M input features.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Images = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
ImageShape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorScaling:
    """Standardisation of vectors, learnt in `fit`.

    The model takes inputs in which 0 and 1 are the ends of a pixel's range. For an input feature
    these are one standard deviation below and above its mean, so that the network sees it
    standardised.
    """

    mean_M: npt.NDArray[np.float64]
    scale_M: npt.NDArray[np.float64]
    """Standard deviations; 1 for a feature that never varies."""

    names: tuple[str, ...] | None = None
    """Names of the input features, if they had any."""

    @classmethod
    def of(
        cls, vectors_NM: npt.NDArray[np.float64], names: tuple[str, ...] | None
    ) -> "VectorScaling":
        """Mean and standard deviation of each column."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean_M = vectors_NM.mean(axis=0)
            scale_M = vectors_NM.std(axis=0)
        # A column of equal numbers may get a deviation of some ulps from the mean's rounding.
        constant_M = np.equal(vectors_NM.min(axis=0), vectors_NM.max(axis=0))
        scale_M[constant_M | (scale_M == 0)] = 1.0
        return cls(mean_M=mean_M, scale_M=scale_M, names=names)

    def apply(self, vectors_NM: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """(N, M, 1, 1) float32: images of one pixel.

        Raises
        ------
        DataError
            If a value is so far from its column's mean that float32 cannot hold it.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            standard_NM = (vectors_NM - self.mean_M) / self.scale_M
            pixels_NM = (0.5 + 0.5 * standard_NM).astype(np.float32)
        if not np.isfinite(pixels_NM).all():
            row, column = np.argwhere(~np.isfinite(pixels_NM))[0]
            raise DataError(
                f"Row {row}, feature {column} is {vectors_NM[row, column]:g}, too many standard "
                "deviations from the mean in training: rescale that feature."
            )
        return pixels_NM[:, :, None, None]


def as_images(images: Any, image_shape: ImageShape | None = None) -> Images:
    """Images as uint8, or as float32 in [0, 1].

    Parameters
    ----------
    images
        (N, C, H, W): uint8, or floats in [0, 1].
    image_shape
        (C, H, W) of the images in training; None to take any.

    Raises
    ------
    DataError
        If dimensions, dtype, values or shape are others.
    """
    array = np.asarray(images)
    if array.ndim != 4 or not len(array):
        raise DataError(
            "Images must be an array of shape (N, channels, height, width) with at least one row, "
            f"but its shape is {array.shape}."
        )
    if image_shape is not None and array.shape[1:] != image_shape:
        raise DataError(
            f"Images must have the shape of those in training, {image_shape} as (channels, height, "
            f"width), but have {array.shape[1:]}: resize them, or read files with `load_picture`."
        )
    if array.dtype.kind == "f":
        lowest, highest = float(array.min()), float(array.max())
        if not (lowest >= 0 and highest <= 1):
            raise DataError(
                f"Images of floats must lie in [0, 1], but reach from {lowest:g} to {highest:g}: "
                "divide by the largest pixel value, or give uint8."
            )
        # torch warns of arrays that it cannot write to, memory maps for one.
        return np.require(array, dtype=np.float32, requirements=["C", "W"])
    if array.dtype != np.uint8:
        raise DataError(
            f"Images must be uint8, or floats in [0, 1], but the dtype is {array.dtype}."
        )
    return np.require(array, requirements=["C", "W"])
