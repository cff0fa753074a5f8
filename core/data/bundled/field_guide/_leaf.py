"""A leaf that hangs before the bird.

Shape letters: P points; the last axis, 2, is (x, y), in image widths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from core.data.bundled.field_guide._attributes import Part
from core.data.bundled.field_guide._curves import Points, rotation

_HALF_LENGTH = 0.26
_HALF_WIDTH = 0.13
_COLOURS = ((62.0, 116.0, 42.0), (92.0, 140.0, 50.0), (160.0, 132.0, 52.0))


@dataclass(frozen=True, eq=False)
class Leaf:
    """A lens: across its axis it reaches 1 - u^2 of its half width, u in [-1, 1] along the axis."""

    center: Points
    angle: float
    colour: tuple[float, float, float]

    @classmethod
    def over(cls, parts: Mapping[Part, Points], draws: tuple[float, float, float, float]) -> Self:
        """Hang a leaf over one of `parts`, placed by four numbers in [0, 1)."""
        chosen = sorted(parts)[int(draws[0] * len(parts))]
        angle = 2 * np.pi * draws[1]
        slide = (draws[2] - 0.5) * _HALF_LENGTH
        along = np.array([np.cos(angle), np.sin(angle)])
        box = (parts[chosen].min(axis=0) + parts[chosen].max(axis=0)) / 2
        return cls(box + slide * along, angle, _COLOURS[int(draws[3] * len(_COLOURS))])

    def covers(self, points_P2: Points) -> npt.NDArray[np.bool_]:
        """Which points lie under the leaf, shape (P,)."""
        local = (points_P2 - self.center) @ rotation(self.angle)
        u, v = local[:, 0] / _HALF_LENGTH, local[:, 1] / _HALF_WIDTH
        return np.asarray((np.abs(u) <= 1) & (np.abs(v) <= 1 - u**2))

    def polygons(self) -> list[tuple[Points, tuple[float, float, float]]]:
        """Stalk, blade, shaded half and midrib."""
        u = np.linspace(-1, 1, 15)
        upper = np.stack([u, 1 - u**2], axis=1)
        axis = np.stack([u, np.zeros_like(u)], axis=1)
        blade = np.concatenate([upper, (upper * (1, -1))[::-1]])
        half = np.concatenate([axis, upper[::-1]])
        rib = np.array([(-1.5, -0.07), (0.9, 0.0), (-1.5, 0.07)])
        red, green, blue = self.colour
        return [
            (self._placed(blade), self.colour),
            (self._placed(half), (0.84 * red, 0.84 * green, 0.84 * blue)),
            (self._placed(rib), (0.6 * red, 0.66 * green, 0.6 * blue)),
        ]

    def _placed(self, local_P2: Points) -> Points:
        scaled = local_P2 * (_HALF_LENGTH, _HALF_WIDTH)
        return np.asarray(scaled @ rotation(self.angle).T + self.center)
