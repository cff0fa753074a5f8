"""The colours that birds are painted in."""

from enum import IntEnum, auto
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Colour(IntEnum):
    """A pigment; its position is its row in `PIGMENTS`."""

    BLACK = 0
    BROWN = auto()
    GREY = auto()
    BLUE = auto()
    GREEN = auto()
    WHITE = auto()
    YELLOW = auto()
    ORANGE = auto()
    RED = auto()
    PALE_GREY = auto()
    STREAK = auto()
    EYE = auto()


PIGMENTS: npt.NDArray[np.float64] = np.array(
    [
        (44, 42, 50),
        (128, 84, 48),
        (112, 120, 134),
        (46, 98, 186),
        (96, 134, 44),
        (244, 242, 234),
        (246, 208, 48),
        (236, 128, 44),
        (204, 28, 40),
        (186, 190, 194),
        (58, 44, 36),
        (16, 14, 16),
    ],
    dtype=np.float64,
)
"""Red, green and blue of each `Colour`, 0 to 255."""
PIGMENTS.flags.writeable = False


class Ink(NamedTuple):
    """A pigment made darker (tone below 1) or lighter (above 1)."""

    colour: Colour
    tone: float = 1.0
