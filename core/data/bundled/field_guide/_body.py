"""Tail, legs, trunk, underparts and wing of a species. The frame is that of `_outline`."""

import numpy as np

from core.data.bundled.field_guide._attributes import Part
from core.data.bundled.field_guide._curves import Points, along, disc, smooth_closed, smooth_open
from core.data.bundled.field_guide._outline import Outline
from core.data.bundled.field_guide._palette import Colour, Ink
from core.data.bundled.field_guide._species import Species

FOOT_Y = {"ordinary": 0.76, "long": 1.04}
"""Where the feet stand, by leg length."""

_TAIL_LENGTH = {"ordinary": 0.48, "long": 0.9}
_TAIL_EDGE = {
    # Fractions of the length along the tail, then the distance from its axis.
    "forked": [(0, 0.11), (0.45, 0.15), (1.05, 0.3), (1.06, 0.22), (0.5, 0.0)],
    "fan": [(0, 0.1), (0.4, 0.19), (0.85, 0.31), (0.98, 0.17), (1.02, 0.0)],
    "pointed": [(0, 0.14), (0.4, 0.11), (0.75, 0.05), (1.12, 0.0)],
}

_FRONT = smooth_open(
    [(0.62, -0.44), (0.61, -0.2), (0.55, 0.04), (0.4, 0.29), (0.15, 0.475), (-0.3, 0.5)]
)
_FLANK = smooth_open(
    [(0.36, -0.42), (0.28, -0.2), (0.2, 0.0), (0.06, 0.18), (-0.12, 0.34), (-0.32, 0.46)]
)
_WING_UPPER = smooth_open(
    [(0.3, -0.22), (0.14, -0.33), (-0.04, -0.18), (-0.22, 0.08), (-0.4, 0.36), (-0.58, 0.62)]
)
_WING_LOWER = smooth_open(
    [(0.3, -0.22), (0.33, -0.04), (0.2, 0.16), (-0.02, 0.33), (-0.28, 0.47), (-0.58, 0.62)]
)


def tail(species: Species) -> list[Outline]:
    """The tail and its quills."""
    length = _TAIL_LENGTH[species.tail_length]
    colour = Colour[species.back_color.upper()]
    half = np.array(_TAIL_EDGE[species.tail_shape], dtype=np.float64)
    mirrored = half[-2::-1] * (1, -1)
    edge = np.concatenate([half, mirrored])
    if species.tail_shape == "fan":
        edge = smooth_closed(edge)
    base, axis = np.array([-0.36, 0.4]), np.array([-0.66, 0.75])
    across = np.array([-axis[1], axis[0]])

    def place(local_P2: Points) -> Points:
        return np.asarray(base + length * local_P2[:, :1] * axis + local_P2[:, 1:] * across)

    offsets = (0.0,) if species.tail_shape == "pointed" else (-0.07, 0.07)
    quills = [
        place(np.array([(0.1, offset - 0.014), (0.85, 2 * offset), (0.1, offset + 0.014)]))
        for offset in offsets
    ]
    return [
        Outline(points_P2=place(edge), ink=Ink(colour, 0.8), part=Part.TAIL),
        *(Outline(points_P2=quill, ink=Ink(colour, 0.6), part=Part.TAIL) for quill in quills),
    ]


def legs(species: Species) -> list[Outline]:
    """Two legs, the far one darker, and their toes."""
    foot_y = FOOT_Y[species.leg_length]
    knee_y = 0.45 + 0.5 * (foot_y - 0.45)
    colour = Colour[species.leg_color.upper()]
    outlines = []
    for x, tone in ((0.2, 0.8), (-0.02, 1.0)):
        leg = [(x - 0.05, 0.4), (x + 0.06, 0.4), (x + 0.02, knee_y), (x + 0.07, foot_y)]
        leg += [(x - 0.03, foot_y), (x - 0.075, knee_y)]
        toes = disc((x + 0.06, foot_y + 0.01), 0.13, 0.05)
        ink = Ink(colour, tone)
        outlines += [
            Outline(points_P2=points, ink=ink, part=Part.LEGS) for points in (np.array(leg), toes)
        ]
    return outlines


def trunk(species: Species) -> list[Outline]:
    """Neck and trunk in the colour of the back, and a lighter mantle."""
    back = Colour[species.back_color.upper()]
    silhouette = [(0.13, -0.6), (0.0, -0.36), (-0.2, -0.08), (-0.38, 0.22), (-0.46, 0.4)]
    silhouette += [(-0.36, 0.5), (-0.12, 0.53), (0.16, 0.49), (0.42, 0.3), (0.57, 0.02)]
    silhouette += [(0.62, -0.24), (0.63, -0.46), (0.4, -0.62)]
    mantle = [(0.12, -0.52), (0.0, -0.33), (-0.19, -0.06), (-0.36, 0.22), (-0.42, 0.38)]
    mantle += [(-0.2, 0.2), (0.02, -0.06), (0.22, -0.3)]
    return [
        Outline(points_P2=smooth_closed(silhouette), ink=Ink(back)),
        Outline(points_P2=smooth_closed(mantle), ink=Ink(back, 1.12), part=Part.BACK),
    ]


def underparts(species: Species) -> list[Outline]:
    """Breast and belly with the belly's pattern."""
    grey = species.breast_color == "grey"
    colour = Colour.PALE_GREY if grey else Colour[species.breast_color.upper()]
    shadow = np.concatenate([_on_belly((0.35, 1.0), 1.0, 10), _on_belly((1.0, 0.35), 0.78, 10)])
    whole = np.concatenate([_FRONT, _FLANK[::-1]])
    outlines = [
        Outline(points_P2=whole, ink=Ink(colour), part=Part.BREAST),
        Outline(points_P2=shadow, ink=Ink(colour, 0.86), part=Part.BREAST),
    ]
    match species.belly_pattern:
        case "striped":
            marks = [
                _belly_patch((start, start + 0.07), (0.12, 0.97))
                for start in (0.28, 0.43, 0.58, 0.73)
            ]
            ink = Ink(Colour.STREAK)
        case "spotted":
            marks = [
                disc(_on_belly((fraction, fraction), depth, 1)[0], 0.06, 0.06)
                for start in (0.28, 0.46, 0.64)
                for fraction, depth in ((start, 0.8), (start + 0.09, 0.42))
            ]
            ink = Ink(Colour.STREAK)
        case "plain":
            # Painted like the breast: a belly is called plain only where it is in sight.
            marks = [_belly_patch((0.35, 0.75), (0.2, 0.7))]
            ink = Ink(colour)
    return [*outlines, *(Outline(points_P2=mark, ink=ink, part=Part.BELLY) for mark in marks)]


def wing(species: Species) -> list[Outline]:
    """The folded wing and its pattern; only the pattern speaks for an attribute."""
    back = Colour[species.back_color.upper()]
    whole = np.concatenate([_WING_UPPER, _WING_LOWER[::-1]])
    flight = _wing_patch((0.5, 1.0), (0.55, 1.0))
    outlines = [
        Outline(points_P2=whole, ink=Ink(back, 0.8)),
        Outline(points_P2=flight, ink=Ink(back, 0.62)),
    ]
    match species.wing_pattern:
        case "barred":
            pale = [_wing_patch((start, start + 0.1), (0.03, 0.97)) for start in (0.3, 0.52)]
        case "patched":
            pale = [_wing_patch((0.34, 0.72), (0.38, 0.94))]
        case "plain":
            pale = []
    white = Ink(Colour.WHITE)
    return [*outlines, *(Outline(points_P2=mark, ink=white, part=Part.WING) for mark in pale)]


def _on_belly(fractions: tuple[float, float], depth: float, count: int) -> Points:
    """Points of the underparts: `fractions` from throat to vent, `depth` from flank to front."""
    return _between(_FLANK, _FRONT, fractions, depth, count)


def _belly_patch(fractions: tuple[float, float], depths: tuple[float, float]) -> Points:
    return _patch(_FLANK, _FRONT, fractions, depths)


def _wing_patch(fractions: tuple[float, float], depths: tuple[float, float]) -> Points:
    """Part of the wing: `fractions` from shoulder to tip, `depths` from upper to lower edge."""
    return _patch(_WING_UPPER, _WING_LOWER, fractions, depths)


def _patch(
    inner: Points, outer: Points, fractions: tuple[float, float], depths: tuple[float, float]
) -> Points:
    """Closed outline of the part of a strip between two fractions and two depths."""
    first, last = fractions
    near, far = depths
    there = _between(inner, outer, (first, last), near, 8)
    back = _between(inner, outer, (last, first), far, 8)
    return np.concatenate([there, back])


def _between(
    inner: Points, outer: Points, fractions: tuple[float, float], depth: float, count: int
) -> Points:
    targets = np.linspace(*fractions, count)
    return np.asarray((1 - depth) * along(inner, targets) + depth * along(outer, targets))
