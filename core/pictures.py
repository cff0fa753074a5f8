"""What picture files may be like, and what is made of the odd ones."""

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

PICTURE_SUFFIXES = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".pgm"),
    *(".png", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Endings of the files that are taken for pictures."""

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error)
"""What Pillow's decoders raise on files that are missing, truncated or no pictures."""


def turn_upright(image: "Image") -> "Transpose | None":
    """What makes a picture upright by its EXIF orientation; None where it is, or does not say."""
    from PIL import ExifTags
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (*DAMAGED, TypeError):
        return None  # damaged metadata of a picture that is whole
    upright = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return upright.get(orientation) if isinstance(orientation, int) else None


def on_white(image: "Image") -> "Image":
    """RGB, with white behind what is transparent."""
    from PIL import Image

    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
