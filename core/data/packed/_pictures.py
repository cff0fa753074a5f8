"""Pictures of a packed dataset. Pickles as a path, and opens it where it arrives.

Shape letters: C channels, H height, W width.
"""

import io
import struct
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from core.data.packed._manifest import Manifest
from core.data.packed._read import open_table
from core.errors import DataError

_FORMATS = ("JPEG", "PNG")


class PackedPictures:
    """Whole pictures of a packed dataset's rows.

    Parameters
    ----------
    folder
        The packed dataset, on this machine.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped table behind."""
        return {"_folder": self._folder}

    @cached_property
    def _columns(self) -> "_Columns":
        return _Columns(self._folder)

    def picture(self, row: int) -> Tensor:
        """See `core.data.decoding.Pictures`."""
        return self._columns.image(row)


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
