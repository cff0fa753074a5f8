"""Rows of a packed dataset as tensors. Pickles as a path, and opens it where it arrives.

Shape letters: B samples of a batch, C channels, H height, W width.
"""

import io
import struct
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from core.data._crops import centre_crop, random_crop, resized_shape, write_crop
from core.data.images import Rows
from core.data.packed import Manifest, open_table
from core.errors import DataError
from core.image_options import ImageOptions

CHANNELS = 3
_FORMATS = ("JPEG", "PNG")


class Request(NamedTuple):
    """A batch to decode."""

    rows: Rows
    """Rows of the table."""

    seed: tuple[int, ...] | None
    """As `core.data.images.ImageSource.batches` takes it."""


class Decoder:
    """Decodes, resizes and crops rows of a packed dataset.

    Parameters
    ----------
    folder
        The packed dataset, on this machine.
    options
        With sizes.
    """

    def __init__(self, folder: Path, options: ImageOptions) -> None:
        if options.resize_size is None or options.crop_size is None:
            raise ValueError("Decoding needs sizes.")
        self.folder = folder
        self.options = options
        self.resize_size, self.crop_size = options.resize_size, options.crop_size

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped table behind."""
        return {key: value for key, value in self.__dict__.items() if key != "_columns"}

    @cached_property
    def _columns(self) -> "_Columns":
        return _Columns(self.folder)

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
        image_CHW = self._columns.image(row)
        _, height, width = image_CHW.shape
        shape = resized_shape(height, width, self.resize_size)
        if seed is None or self.options.augmentation == "none":
            crop = centre_crop(*shape, self.crop_size)
        else:
            # A generator for each sample: neither its batch nor its worker matters.
            generator = np.random.default_rng([*seed, row])
            crop = random_crop(*shape, self.crop_size, generator)
        write_crop(image_CHW, crop, out_CHW)


class _Columns:
    """The columns that decoding reads, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        table = open_table(folder)
        shards = Manifest.read(folder).shards
        self._folder = folder
        self._files = [shard.file for shard in shards]
        self._first_rows = np.cumsum([0, *(shard.rows for shard in shards)])
        self._images = table.column("image")
        self._names = table.column("file")
        self._checksums = table.column("crc32").to_numpy()
        self._heights = table.column("height").to_numpy()
        self._widths = table.column("width").to_numpy()

    def image(self, row: int) -> Tensor:
        """(C, H, W), channels last in memory, perhaps with a channel of padding."""
        content: pa.Buffer = self._images[row].as_buffer()
        if zlib.crc32(content) != self._checksums[row]:
            raise self._damaged(row, "its bytes do not match their checksum")
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                rgb = image if image.mode == "RGB" else image.convert("RGB")
                image_CHW = _shared_pixels(rgb)
        except (OSError, SyntaxError, ValueError, struct.error) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
            raise self._damaged(row, f"it cannot be decoded ({reason})") from error
        height, width = int(self._heights[row]), int(self._widths[row])
        if rgb.size != (width, height):
            raise self._damaged(
                row,
                f"it must have {width} x {height} pixels, but has {rgb.width} x {rgb.height}",
            )
        return image_CHW

    def _damaged(self, row: int, reason: str) -> DataError:
        shard = int(np.searchsorted(self._first_rows, row, side="right")) - 1
        return DataError(
            f"Row {row - self._first_rows[shard]} of {self._files[shard]} in "
            f"{str(self._folder)!r} ({self._names[row].as_py()}) is damaged: {reason}. Copy the "
            "shard again from where it is whole, or pack anew."
        )


def _shared_pixels(image: Image.Image) -> Tensor:
    """Pillow's own memory, which has a channel of padding, or a copy of an image in two pieces."""
    try:
        pixels = torch.from_dlpack(pa.array(image).values)  # type: ignore[attr-defined]
    except ValueError:
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return pixels.view(image.height, image.width, -1).permute(2, 0, 1)
