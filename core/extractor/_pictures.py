"""From a picture file to the array that a network was trained on.

Shape letters: C channels, H height, W width.
"""

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Endings of the files that are taken for pictures."""

_MODES = {1: "L", 3: "RGB"}


def load_picture(path: Path | str, image_shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """Decode a picture and bring it to a network's image shape.

    Turned upright by its EXIF entry, converted to grey or RGB (transparency is dropped), resized
    (bicubic, antialiased) until it just covers the shape, and cut to its centre. Of an animation
    the first frame counts.

    Parameters
    ----------
    path
        Any format that Pillow reads.
    image_shape
        (C, H, W) with 1 or 3 channels.

    Returns
    -------
    numpy.ndarray
        (C, H, W) uint8.

    Raises
    ------
    DataError
        If the file cannot be read as a picture, or if there are other than 1 or 3 channels.
    """
    # Imported here: whoever brings arrays needs no Pillow.
    from PIL import Image, ImageOps

    channels, height, width = image_shape
    if channels not in _MODES:
        raise DataError(
            f"A picture has 1 or 3 channels, but the network takes {channels}: give arrays."
        )
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            image = _of_bytes(upright).convert(_MODES[channels])
        fitted = ImageOps.fit(image, (width, height), method=Image.Resampling.BICUBIC)
    # What Pillow's decoders raise on damaged files; an error of our own would show elsewhere.
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        raise DataError(f"{str(path)!r} cannot be read as a picture: {error}") from error
    pixels = np.asarray(fitted)
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def _of_bytes(image: "Picture") -> "Picture":
    """The picture with eight bits a channel, in a mode that converts to grey and RGB."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255.
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode!r} have no stated range")
    # A palette with several transparent entries is converted to RGB under a warning only.
    return image.convert("RGBA") if image.mode == "P" else image
