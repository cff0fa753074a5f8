"""Where everything lies in one image, and what can be seen of it.

Lengths are in image widths: (0, 0) is the top left corner and (1, 1) the bottom right one.

Shape letters: P points; the last axis, 2, is (x, y).
"""

from dataclasses import dataclass

import numpy as np

from core.data.bundled.field_guide._anatomy import Anatomy, assemble
from core.data.bundled.field_guide._attributes import Part
from core.data.bundled.field_guide._curves import Points, rotation
from core.data.bundled.field_guide._head import CENTER
from core.data.bundled.field_guide._leaf import Leaf
from core.data.bundled.field_guide._species import Species
from core.data.bundled.field_guide._specimen import Hiding, Specimen

UNIT = 0.41
"""Image widths to the unit of a bird's frame, at scale 1."""

VISIBLE_SHARE = 0.5
"""Share of a part's outline that must be in sight for its attributes to be written down."""

_PERCH_THICKNESS = 0.075
_CROP_ZOOM = 1.5
_CROP_SHIFT = 0.3
_CROUCHED_FOOT_Y = 0.56
_ABSENT = {
    Hiding.CROUCHED: (Part.LEGS,),
    Hiding.TURNED_AWAY: (Part.BILL, Part.FACE, Part.THROAT),
}

RGB = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """The areas to fill, from back to front, and the parts that show."""

    polygons: tuple[tuple[Points, RGB], ...]
    """Outline in image widths and colour, 0 to 255, before light falls on it."""

    visible: frozenset[Part]
    size_shows: bool
    """False where the view is cropped, since then its zoom cannot be told."""


def compose(specimen: Specimen, species: Species, *, standing_as: Species | None = None) -> Scene:
    """Lay out one specimen.

    A part is visible if at least `VISIBLE_SHARE` of its outline lies inside the image and under no
    leaf, and if the pose does not turn it away.

    With `standing_as` the bird stands where one of that species would, though it may fit the image
    less well: what the two have in common lies in the same place. A bird of another size has its
    feet where that one's are.
    """
    anatomy = assemble(species)
    hiding = specimen.hiding
    stance = anatomy if standing_as is None else assemble(standing_as)
    placed_P2, foot = _place(anatomy, stance, specimen)

    absent = _ABSENT.get(hiding, ()) if hiding else ()
    polygons = _perch(specimen, foot)
    pieces: dict[Part, list[Points]] = {}
    start = 0
    for outline, end in zip(anatomy.outlines, anatomy.ends, strict=True):
        points_P2, start = placed_P2[start:end], end
        if outline.part in absent:
            continue
        if outline.part is not None:
            pieces.setdefault(outline.part, []).append(points_P2)
        red, green, blue = (specimen.pigments[outline.ink.colour] * outline.ink.tone).tolist()
        polygons.append((points_P2, (red, green, blue)))

    visible = set(pieces)
    if hiding in (Hiding.LEAF, Hiding.CROP) or stance is not anatomy:
        parts = {part: np.concatenate(chunks) for part, chunks in pieces.items()}
        leaf = Leaf.over(parts, specimen.hiding_draws) if hiding is Hiding.LEAF else None
        if leaf is not None:
            polygons += leaf.polygons()
        visible = {part for part, points in parts.items() if _is_seen(points, leaf)}
    return Scene(
        polygons=tuple(polygons),
        visible=frozenset(visible),
        size_shows=hiding is not Hiding.CROP,
    )


def _place(anatomy: Anatomy, stance: Anatomy, specimen: Specimen) -> tuple[Points, Points]:
    """The bird's points in the image, and the point it stands on, where `stance` would stand."""
    turned_P2, matrix = _turn(stance, specimen)
    shift = 0.5 + np.array(specimen.offset) - (turned_P2.min(axis=0) + turned_P2.max(axis=0)) / 2
    if specimen.hiding is Hiding.CROP:
        bearing = 2 * np.pi * specimen.hiding_draws[0]
        shift += _CROP_SHIFT * np.array([np.cos(bearing), np.sin(bearing)])
    foot = matrix @ _foot(stance, specimen) + shift
    if anatomy is stance:
        return turned_P2 + shift, foot

    turned_P2, matrix = _turn(anatomy, specimen)
    # Computed anew only where it moves: a last bit would show in the pixels.
    if anatomy.scale != stance.scale:
        shift = foot - matrix @ _foot(stance, specimen)
    if anatomy.foot_y != stance.foot_y:
        foot = matrix @ _foot(anatomy, specimen) + shift
    return turned_P2 + shift, foot


def _turn(anatomy: Anatomy, specimen: Specimen) -> tuple[Points, Points]:
    """The bird's points as it is turned and scaled, about its frame's origin, and the matrix."""
    points_P2 = anatomy.points_P2.copy()
    head = anatomy.on_head_P
    nod = rotation(specimen.head_tilt).T
    points_P2[head] = (points_P2[head] - CENTER) @ nod + CENTER

    zoom = specimen.zoom * (_CROP_ZOOM if specimen.hiding is Hiding.CROP else 1.0)
    scale = UNIT * anatomy.scale * zoom
    matrix = rotation(specimen.tilt) @ np.diag(specimen.stretch) * scale
    matrix = np.diag([float(specimen.facing), 1.0]) @ matrix
    return points_P2 @ matrix.T, matrix


def _foot(anatomy: Anatomy, specimen: Specimen) -> Points:
    """The point that the bird stands on, in its own frame."""
    crouched = specimen.hiding is Hiding.CROUCHED
    return np.array([0.1, _CROUCHED_FOOT_Y if crouched else anatomy.foot_y])


def _perch(specimen: Specimen, foot: Points) -> list[tuple[Points, RGB]]:
    """A branch across the image under the feet, and its shaded lower half."""
    zoom = specimen.zoom * (_CROP_ZOOM if specimen.hiding is Hiding.CROP else 1.0)
    depth = _PERCH_THICKNESS * zoom
    left, right = (foot[1] + specimen.perch_slope * (x - foot[0]) for x in (-0.1, 1.1))
    red, green, blue = specimen.perch_colour
    shaded = (0.72 * red, 0.72 * green, 0.72 * blue)

    def band(top: float, bottom: float) -> Points:
        return np.array(
            [(-0.1, left + top), (1.1, right + top), (1.1, right + bottom), (-0.1, left + bottom)]
        )

    return [
        (band(0.0, depth), specimen.perch_colour),
        (band(0.6 * depth, depth), shaded),
    ]


def _is_seen(points_P2: Points, leaf: Leaf | None) -> bool:
    seen_P = ((points_P2 >= 0) & (points_P2 <= 1)).all(axis=1)
    if leaf is not None:
        seen_P = seen_P & ~leaf.covers(points_P2)
    return bool(np.mean(seen_P) >= VISIBLE_SHARE)
