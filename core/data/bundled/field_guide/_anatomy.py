"""A species as a list of outlines, from back to front.

Shape letters: P points of all outlines together; the last axis, 2, is (x, y).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from core.data.bundled.field_guide import _body, _head
from core.data.bundled.field_guide._curves import Points
from core.data.bundled.field_guide._outline import Outline
from core.data.bundled.field_guide._species import Species

SIZE_FACTOR = {"small": 0.8, "medium": 0.92, "large": 1.04}
"""Scale beside the perch, which is equally thick for all birds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """What is drawn of one species."""

    outlines: tuple[Outline, ...]
    points_P2: Points
    """The points of all outlines, one outline after the other, so that one product moves all."""

    ends: tuple[int, ...]
    """Row of `points_P2` after each outline's last."""

    on_head_P: npt.NDArray[np.bool_]
    foot_y: float
    scale: float


@cache
def assemble(species: Species) -> Anatomy:
    """Anatomy of a species; the same object at every call."""
    outlines = (
        *_body.tail(species),
        *_body.legs(species),
        *_body.trunk(species),
        *_body.underparts(species),
        *_body.wing(species),
        *_head.skull(species),
        *_head.crown(species),
        *_head.bill(species),
        *_head.face(species),
    )
    lengths = [len(outline.points_P2) for outline in outlines]
    return Anatomy(
        outlines=outlines,
        points_P2=np.concatenate([outline.points_P2 for outline in outlines]),
        ends=tuple(int(end) for end in np.cumsum(lengths)),
        on_head_P=np.repeat([outline.on_head for outline in outlines], lengths),
        foot_y=_body.FOOT_Y[species.leg_length],
        scale=SIZE_FACTOR[species.size],
    )
