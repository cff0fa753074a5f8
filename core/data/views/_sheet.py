"""A page of pictures, each with a title above it and words below.

Shape letters: H height, W width, C channels, A attributes.
"""

import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from core.errors import ConfigError

DPI = 130
FORMATS = (".pdf", ".png", ".svg")

_CELL_WIDTH, _PICTURE_HEIGHT, _LINE_HEIGHT = 2.0, 2.0, 0.115
"""Inches."""

_TEXT_WIDTH = 38
"""Characters to a line."""


class Cell(NamedTuple):
    """One picture."""

    image_HWC: npt.NDArray[np.uint8]
    """One channel or three."""

    title: str
    caption: str
    """At most `_TEXT_WIDTH` characters to a line; see `attributes_in_words`."""


def attributes_in_words(attribute_names: Sequence[str], flags_A: npt.NDArray[np.bool_]) -> str:
    """Name the attributes that hold, without the prefixes and separators of CUB's names.

    Nothing where the data has no attributes.
    """
    if not attribute_names:
        return ""
    words = [
        attribute_names[column].removeprefix("has_").replace("::", " ").replace("_", " ")
        for column in np.flatnonzero(flags_A).tolist()
    ]
    return "\n".join(textwrap.wrap(", ".join(words), _TEXT_WIDTH)) or "no attribute recorded"


def draw_sheet(cells: Sequence[Cell], *, columns: int) -> Figure:
    """Draw at least one cell, row by row; all are as high as the one with the most words.

    Raises
    ------
    ConfigError
        If `columns` is below 1.
    """
    if columns < 1:
        raise ConfigError(f"`columns` must be at least 1, but got {columns}.")
    columns = min(columns, len(cells))
    num_rows = math.ceil(len(cells) / columns)
    text_height = _LINE_HEIGHT * (1 + max(cell.caption.count("\n") + 1 for cell in cells))
    cell_height = _PICTURE_HEIGHT + text_height
    figure = Figure(figsize=(columns * _CELL_WIDTH, num_rows * cell_height))
    for place, cell in enumerate(cells):
        left = (place % columns + 0.03) / columns
        top = 1 - place // columns / num_rows
        height = _PICTURE_HEIGHT / cell_height / num_rows
        axes = figure.add_axes((left, top - height, 0.94 / columns, height * 0.9))
        image_HWC = cell.image_HWC
        is_reduced = max(image_HWC.shape[:2]) > _PICTURE_HEIGHT * DPI
        axes.imshow(
            image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC,
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="antialiased" if is_reduced else "nearest",
        )
        axes.set_axis_off()
        axes.set_anchor("N")
        axes.set_title(cell.title, fontsize=8, pad=3)
        axes.text(
            0.5, -0.02, cell.caption, transform=axes.transAxes, fontsize=5.5, ha="center", va="top"
        )
    return figure
