"""One filled polygon of a bird, in the bird's own frame.

The frame's unit is about the length of the trunk; x points forward, the way the bird faces, and y
points down.

Shape letters: P points; the last axis, 2, is (x, y).
"""

from dataclasses import dataclass

from core.data.bundled.field_guide._attributes import Part
from core.data.bundled.field_guide._curves import Points
from core.data.bundled.field_guide._palette import Ink


@dataclass(frozen=True, kw_only=True, eq=False)
class Outline:
    """A polygon, what it is painted with, and which part it belongs to."""

    points_P2: Points
    ink: Ink
    part: Part | None = None
    """None for what no attribute speaks of."""

    on_head: bool = False
    """Turns with the head."""
