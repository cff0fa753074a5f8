"""From an image file to the bytes that are stored: cropped, upright, RGB, and cut to size once."""

import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from core.pictures import DAMAGED, on_white, turn_upright

Box = tuple[float, float, float, float]

_DEEP_MODES = ("I", "F")
"""Pillow's modes of more than eight bits a channel begin so."""


class ImageTask(NamedTuple):
    """One object of the archive."""

    path: str
    box: Box | None
    """Left, top, right, bottom in pixels, or None for the whole image."""

    content: bytes | None = None
    """The file's bytes where they do not lie in a file of their own."""


class StoredImage(NamedTuple):
    """What a row keeps of it."""

    data: bytes
    height: int
    width: int


class Unreadable(NamedTuple):
    """Why an image is left out."""

    reason: str


class _RefusedError(Exception):
    """An image that Pillow reads and the format has no place for."""


def store_images(
    tasks: Sequence[ImageTask], *, shorter_side: int | None, quality: int
) -> list[StoredImage | Unreadable]:
    """Do `store_image` for each; what a worker process is sent."""
    return [store_image(task, shorter_side=shorter_side, quality=quality) for task in tasks]


def store_image(
    task: ImageTask, *, shorter_side: int | None, quality: int
) -> StoredImage | Unreadable:
    """Read one image and encode what is to be kept of it.

    In this order: it is cut to its box, made upright, put on white where it is transparent, turned
    to RGB, and reduced (Lanczos, antialiased) until its shorter side is `shorter_side`; never
    enlarged. The longer side is rounded down, as torchvision's `Resize` does. A JPEG that none of
    this changes is kept byte for byte; everything else becomes a JPEG.

    The box counts pixels as they are stored, before the EXIF orientation: the tools that
    annotations of these datasets were made with did not read it.

    Returns
    -------
    StoredImage or Unreadable
        A file that is missing, truncated or no image is told, not raised.
    """
    try:
        content = Path(task.path).read_bytes() if task.content is None else task.content
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of large images; neither keeps it from reading.
            warnings.simplefilter("ignore")
            return _store(content, task.box, shorter_side, quality)
    except UnidentifiedImageError:
        return Unreadable("its content is no image of a known format")
    except OSError as error:
        return Unreadable(error.strerror or str(error))
    except (_RefusedError, Image.DecompressionBombError, *DAMAGED) as error:
        return Unreadable(str(error) or type(error).__name__)


def _store(content: bytes, box: Box | None, shorter_side: int | None, quality: int) -> StoredImage:
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()  # a truncated file is noticed here
        image: Image.Image = opened
        if image.mode.startswith(_DEEP_MODES):
            raise _RefusedError(f"it has more than eight bits a channel (mode {image.mode})")
        upright = turn_upright(image)
        if box is not None:
            image = _cut(image, box)
        if upright is not None:
            image = image.transpose(upright)
        image = _reduced(on_white(image), shorter_side)
        if image is opened and opened.format == "JPEG":
            return StoredImage(content, image.height, image.width)
        image.info = {}  # no comment or profile of the source
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return StoredImage(buffer.getvalue(), image.height, image.width)


def _cut(image: Image.Image, box: Box) -> Image.Image:
    """The smallest rectangle of whole pixels around the part of the box inside the image."""
    shown = f"({', '.join(f'{side:g}' for side in box)})"
    if not all(map(math.isfinite, box)):
        raise _RefusedError(f"its box {shown} is not finite")
    left, top, right, bottom = box
    if right <= left or bottom <= top:
        raise _RefusedError(f"its box {shown} is empty")
    inside = (
        max(math.floor(left), 0),
        max(math.floor(top), 0),
        min(math.ceil(right), image.width),
        min(math.ceil(bottom), image.height),
    )
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        raise _RefusedError(
            f"its box {shown} lies outside its {image.width} x {image.height} pixels"
        )
    return image if inside == (0, 0, *image.size) else image.crop(inside)


def _reduced(image: Image.Image, shorter_side: int | None) -> Image.Image:
    shorter, longer = sorted(image.size)
    if shorter_side is None or shorter <= shorter_side:
        return image
    other = shorter_side * longer // shorter
    size = (shorter_side, other) if image.width <= image.height else (other, shorter_side)
    return image.resize(size, Image.Resampling.LANCZOS)
