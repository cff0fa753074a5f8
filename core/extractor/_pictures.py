"""From a picture file to the array that a network was trained on.

Shape letters: C channels, H height, W width.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.pictures import DAMAGED, PICTURE_SUFFIXES, on_white

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["PICTURE_SUFFIXES", "load_picture"]

_MODES = {1: "L", 3: "RGB"}


def load_picture(
    path: Path | str, image_shape: tuple[int, int, int], *, resize_size: int | None = None
) -> npt.NDArray[np.uint8]:
    """Decode a picture and bring it to a network's image shape.

    Turned upright by its EXIF entry, put on white where it is transparent, converted to grey or
    RGB, resized and cut to its centre. Of an animation the first frame counts.

    Parameters
    ----------
    path
        Any format that Pillow reads.
    image_shape
        (C, H, W) with 1 or 3 channels.
    resize_size
        `TrainConfig.resize_size`: the shorter side before the cut, resized as packed datasets are
        in evaluation. None for networks that were trained on images of one size: the picture is
        then resized (bicubic, antialiased) until it just covers the shape.

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
        if resize_size is None:
            image = ImageOps.fit(image, (width, height), method=Image.Resampling.BICUBIC)
    # What Pillow's decoders raise on damaged files; an error of our own would show elsewhere.
    except (*DAMAGED, Image.DecompressionBombError) as error:
        raise DataError(f"{str(path)!r} cannot be read as a picture: {error}") from error
    pixels = np.asarray(image)
    if resize_size is not None:
        return _centre(pixels.reshape(*pixels.shape[:2], channels), resize_size, height)
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def _centre(
    pixels_HWC: npt.NDArray[np.uint8], resize_size: int, size: int
) -> npt.NDArray[np.uint8]:
    """What evaluation shows the network of a packed image."""
    import torch

    from core.data.decoding import centre_crop, resized_shape, write_crop

    height, width, channels = pixels_HWC.shape
    crop = centre_crop(*resized_shape(height, width, resize_size), size)
    out_CHW = np.empty((channels, size, size), dtype=np.uint8)
    write_crop(torch.from_numpy(pixels_HWC.copy()).permute(2, 0, 1), crop, out_CHW)
    return out_CHW


def _of_bytes(image: "Picture") -> "Picture":
    """The picture with eight bits a channel, in a mode that converts to grey and RGB."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255.
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode!r} have no stated range")
    return on_white(image) if image.has_transparency_data or image.mode == "P" else image
