"""Pictures as text that a page can hold."""

import base64
import io

from PIL import Image

LARGEST = 128
"""Pixels of the longer side; a larger image is reduced."""

_SMALL = 48  # a drawing of so few pixels is kept as it is


def data_uri(image: Image.Image) -> str:
    """Return an image as a data URI: PNG where it is tiny, else WebP."""
    data = io.BytesIO()
    if max(image.size) <= _SMALL:
        image.save(data, "PNG", optimize=True)
        kind = "png"
    else:
        reduced = image.copy()
        reduced.thumbnail((LARGEST, LARGEST))
        reduced.save(data, "WEBP", quality=80)
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


def is_tiny(image: Image.Image) -> bool:
    """Whether its pixels are to be shown as squares."""
    return max(image.size) <= _SMALL
