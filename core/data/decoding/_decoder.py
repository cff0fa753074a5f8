"""Rows of pictures as batches of tensors.

Shape letters: B samples of a batch, C channels, H height, W width.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from core.config import ImageOptions
from core.data.decoding._crops import centre_crop, random_crop, resized_shape, write_crop
from core.data.images import Rows

CHANNELS = 3


class Request(NamedTuple):
    """A batch to decode."""

    rows: Rows
    """Rows of the pictures."""

    seed: tuple[int, ...] | None
    """As `core.data.images.ImageSource.batches` takes it."""


class Pictures(Protocol):
    """Where whole pictures come from, row by row. Pickles small: it is sent to workers."""

    def picture(self, row: int) -> Tensor:
        """(C, H, W) uint8, channels last in memory, perhaps with a channel of padding.

        Raises
        ------
        DataError
            If it cannot be decoded or was changed since it was packed.
        """


class Decoder:
    """Decodes, resizes and crops pictures.

    Parameters
    ----------
    pictures
        Whole, of any size.
    options
        With sizes.
    """

    def __init__(self, pictures: Pictures, options: ImageOptions) -> None:
        if options.resize_size is None or options.crop_size is None:
            raise ValueError("Decoding needs sizes.")
        self._pictures = pictures
        self.options = options
        self.resize_size, self.crop_size = options.resize_size, options.crop_size

    def shape_of(self, request: Request) -> tuple[int, int, int, int]:
        """(B, C, H, W) of the request's batch."""
        return len(request.rows), CHANNELS, self.crop_size, self.crop_size

    def write(self, request: Request, batch_BCHW: Tensor) -> None:
        """Write the batch into a contiguous uint8 tensor.

        Raises
        ------
        DataError
            If an image cannot be decoded or was changed since it was packed.
        """
        for out_CHW, row in zip(batch_BCHW.numpy(), request.rows.tolist(), strict=True):
            self._write_one(row, request.seed, out_CHW)

    def _write_one(
        self, row: int, seed: tuple[int, ...] | None, out_CHW: npt.NDArray[np.uint8]
    ) -> None:
        image_CHW = self._pictures.picture(row)
        _, height, width = image_CHW.shape
        shape = resized_shape(height, width, self.resize_size)
        if seed is None or self.options.augmentation == "none":
            crop = centre_crop(*shape, self.crop_size)
        else:
            # A generator for each sample: neither its batch nor its worker matters.
            generator = np.random.default_rng([*seed, row])
            crop = random_crop(*shape, self.crop_size, generator)
        write_crop(image_CHW, crop, out_CHW)
