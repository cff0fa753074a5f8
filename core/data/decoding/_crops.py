"""What part of a resized image is shown, and making that part alone.

Shape letters: C channels, H height, W width.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.config import CROP_PADDING


class Crop(NamedTuple):
    """A square of a resized image, in the resized image's pixels; it may reach beyond it."""

    height: int
    width: int
    """Of the whole resized image."""

    top: int
    left: int
    size: int
    mirrored: bool


def resized_shape(height: int, width: int, size: int) -> tuple[int, int]:
    """Shape whose shorter side is `size`; the longer is rounded down, as torchvision does."""
    if height <= width:
        return size, int(size * width / height)
    return int(size * height / width), size


def centre_crop(height: int, width: int, size: int) -> Crop:
    """The middle, rounded as torchvision's `CenterCrop` does."""
    top, left = round((height - size) / 2), round((width - size) / 2)
    return Crop(height, width, top, left, size, mirrored=False)


def random_crop(height: int, width: int, size: int, generator: np.random.Generator) -> Crop:
    """A uniform place in the padded image, mirrored with probability 1/2."""
    top, left = generator.integers(
        -CROP_PADDING, [height + CROP_PADDING - size, width + CROP_PADDING - size], endpoint=True
    )
    return Crop(height, width, int(top), int(left), size, bool(generator.random() < 0.5))


def write_crop(image_CHW: Tensor, crop: Crop, out_CHW: npt.NDArray[np.uint8]) -> None:
    """Resize an image (bilinear, antialiased), cut the crop and write it.

    The same pixels as torchvision's `Resize`, `Pad` with black, `crop` and `hflip` give one after
    another. What lies right of the crop and below it is never made.

    Parameters
    ----------
    image_CHW
        uint8, channels last in memory. Channels beyond those of `out_CHW` are left out.
    crop
        For this image's resized shape.
    out_CHW
        Square of the crop's size; every pixel is written.
    """
    top, bottom = max(crop.top, 0), min(crop.top + crop.size, crop.height)
    left, right = max(crop.left, 0), min(crop.left + crop.size, crop.width)
    if (bottom - top, right - left) != (crop.size, crop.size):
        out_CHW.fill(0)
        if bottom <= top or right <= left:
            return  # nothing but border
    part_CHW = _resized(image_CHW, crop.height, crop.width, bottom, right)[:, top:, left:].numpy()
    if crop.mirrored:
        out_CHW = out_CHW[:, :, ::-1]
    rows = slice(top - crop.top, bottom - crop.top)
    columns = slice(left - crop.left, right - crop.left)
    out_CHW[:, rows, columns] = part_CHW[: len(out_CHW)]


def _resized(image_CHW: Tensor, height: int, width: int, bottom: int, right: int) -> Tensor:
    """The resized image's pixels above `bottom` and left of `right`."""
    channels, from_height, from_width = image_CHW.shape
    if (height, width) == (from_height, from_width):
        return image_CHW[:, :bottom, :right]
    # The kernel leaves a direction out when its two sizes are equal, whatever the scale is.
    make_height = bottom + (bottom == from_height != height)
    make_width = right + (right == from_width != width)
    # A batch of one whose strides say "channels last", so that the kernel keeps that layout.
    image_1CHW = image_CHW.as_strided(
        (1, channels, from_height, from_width),
        (channels * from_height * from_width, 1, channels * from_width, channels),
    )
    resized_1CHW: Tensor = torch.ops.aten._upsample_bilinear2d_aa(
        image_1CHW, [make_height, make_width], False, height / from_height, width / from_width
    )
    return resized_1CHW[0, :, :bottom, :right]
