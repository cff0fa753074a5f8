"""Where a split's images come from: an array, or what is decoded batch by batch.

Shape letters: N samples, B samples of a batch, C channels, H height, W width.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from core.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

Rows = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""0 to 255; or, float32, what the model takes as it is."""


class Identity(NamedTuple):
    """What a dataset's fingerprint takes of its images."""

    header: str
    content: memoryview | bytes


class ImageSource(Protocol):
    """Images of one shape, row by row."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of what `batches` yields."""

    def __len__(self) -> int: ...

    def identity(self) -> Identity:
        """All that determines the images, without decoding any."""

    def batches(
        self, rows: Sequence[Rows], *, seed: tuple[int, ...] | None = None
    ) -> Iterator["Tensor"]:
        """Yield a batch for each array of rows, in their order.

        Parameters
        ----------
        rows
            Rows of each batch, counted from 0.
        seed
            In training: what the augmentation is drawn from, together with the row alone. None for
            evaluation, where an image is always the same.

        Yields
        ------
        Tensor
            (B, C, H, W), of the source's dtype: uint8, unless an array says otherwise.

        Raises
        ------
        DataError
            If an image cannot be decoded.
        """


class ArrayImages:
    """Images held in memory, never augmented.

    Parameters
    ----------
    images_NCHW
        uint8, 0 to 255; or float32, which the model takes as they are.

    Raises
    ------
    DataError
        If the array has another dtype or number of dimensions.
    """

    def __init__(self, images_NCHW: Pixels) -> None:
        if images_NCHW.ndim != 4 or images_NCHW.dtype not in (np.uint8, np.float32):
            raise DataError(
                "`images_NCHW` must be a uint8 or float32 array of four dimensions, but has dtype "
                f"{images_NCHW.dtype} and shape {images_NCHW.shape}."
            )
        self.images_NCHW = images_NCHW

    def __len__(self) -> int:
        return len(self.images_NCHW)

    @property
    def shape(self) -> tuple[int, int, int]:
        channels, height, width = self.images_NCHW.shape[1:]
        return channels, height, width

    def identity(self) -> Identity:
        header = f"{self.images_NCHW.shape}{self.images_NCHW.dtype.str}"
        return Identity(header, np.ascontiguousarray(self.images_NCHW).data)

    def batches(
        self, rows: Sequence[Rows], *, seed: tuple[int, ...] | None = None
    ) -> Iterator["Tensor"]:
        # Imported here: who only looks at arrays need not wait for it.
        import torch

        images = torch.from_numpy(self.images_NCHW)
        for rows_B in rows:
            yield images[torch.from_numpy(rows_B)]
