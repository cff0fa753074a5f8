"""Skull, crown, bill and face of a species. The frame is that of `_outline`."""

import numpy as np

from core.data.bundled.field_guide._attributes import Part
from core.data.bundled.field_guide._curves import Points, disc, smooth_closed, smooth_open
from core.data.bundled.field_guide._outline import Outline
from core.data.bundled.field_guide._palette import Colour, Ink
from core.data.bundled.field_guide._species import Species

CENTER = (0.4, -0.54)
"""Centre of the skull, about which the head turns."""

RADIUS = 0.31

_EYE = (0.12, -0.02)
_BILL_LENGTH = {"ordinary": 1.0, "long": 1.8}


def skull(species: Species) -> list[Outline]:
    """The head's disc and, where there is one, the bib on the throat."""
    back = Colour[species.back_color.upper()]
    outlines = [_on_head(disc((0.0, 0.0), RADIUS, RADIUS), Ink(back))]
    if species.throat_color != "no_bib":
        bib = [(0.27, 0.1), (0.3, 0.24), (0.25, 0.42), (0.1, 0.47), (-0.02, 0.36), (0.03, 0.18)]
        bib += [(0.15, 0.1)]
        ink = Ink(Colour[species.throat_color.upper()])
        outlines.append(_on_head(smooth_closed(bib), ink, Part.THROAT))
    return outlines


def crown(species: Species) -> list[Outline]:
    """The cap and the crest; a cap in the colour of the back is drawn too, so that it can hide."""
    plain = species.crown_color == "as_back"
    colour = Colour[(species.back_color if plain else species.crown_color).upper()]
    angles = np.radians(np.linspace(-24, -186, 16))
    rim = 1.03 * RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    brow = smooth_open([rim[-1], (-0.14, -0.07), (0.1, -0.13), rim[0]])
    outlines = [_on_head(np.concatenate([rim, brow[1:-1]]), Ink(colour), Part.CROWN)]
    if species.crown_shape == "crested":
        tuft = [(0.1, -0.27), (-0.12, -0.38), (-0.5, -0.46), (-0.36, -0.27), (-0.3, -0.08)]
        outlines.append(_on_head(_with_tip(tuft, 2), Ink(colour), Part.CROWN))
    return outlines


def bill(species: Species) -> list[Outline]:
    """The bill, its lower half darker."""
    colour = Colour[species.bill_color.upper()]
    stretch = _BILL_LENGTH[species.bill_length]
    match species.bill_shape:
        case "cone":
            upper = [(0.22, -0.15), (0.38, -0.1), (0.58, 0.08)]
            lower = [(0.36, 0.17), (0.2, 0.19)]
            gape = (0.2, 0.05)
        case "dagger":
            upper = [(0.24, -0.07), (0.4, -0.045), (0.66, 0.02)]
            lower = [(0.4, 0.09), (0.24, 0.11)]
            gape = (0.24, 0.02)
        case "hooked":
            upper = [(0.23, -0.13), (0.44, -0.13), (0.57, 0.0), (0.53, 0.24)]
            lower = [(0.44, 0.09), (0.34, 0.13), (0.22, 0.15)]
            gape = (0.22, 0.04)
        case "curved":
            upper = [(0.24, -0.09), (0.42, -0.07), (0.57, 0.06), (0.64, 0.3)]
            lower = [(0.53, 0.14), (0.4, 0.06), (0.24, 0.08)]
            gape = (0.24, 0.02)
    tip = upper[-1]
    whole = _stretch(_with_tip([*upper, *lower], len(upper) - 1), stretch)
    under = _stretch(np.array([gape, tip, *lower]), stretch)
    return [
        _on_head(whole, Ink(colour), Part.BILL),
        _on_head(under, Ink(colour, 0.8), Part.BILL),
    ]


def face(species: Species) -> list[Outline]:
    """Eyebrow, ring or mask, and the eye."""
    outlines = []
    match species.head_pattern:
        case "eyebrow":
            stripe = [(0.29, -0.07), (0.14, -0.17), (-0.1, -0.13), (-0.28, 0.0), (-0.26, 0.07)]
            stripe += [(-0.1, -0.03), (0.12, -0.07)]
            outlines.append(_on_head(smooth_closed(stripe), Ink(Colour.WHITE), Part.FACE))
        case "eye_ring":
            outlines.append(_on_head(disc(_EYE, 0.135, 0.135), Ink(Colour.WHITE), Part.FACE))
        case "mask":
            band = [(0.3, -0.06), (0.1, -0.12), (-0.12, -0.08), (-0.3, 0.03), (-0.27, 0.14)]
            band += [(-0.08, 0.13), (0.12, 0.12), (0.3, 0.1)]
            outlines.append(_on_head(smooth_closed(band), Ink(Colour.BLACK, 0.7), Part.FACE))
        case "plain":
            pass
    eye = Ink(Colour.EYE)
    glint = (_EYE[0] + 0.025, _EYE[1] - 0.03)
    return [
        *outlines,
        _on_head(disc(_EYE, 0.068, 0.068), eye, Part.FACE),
        _on_head(disc(glint, 0.022, 0.022), Ink(Colour.WHITE), Part.FACE),
    ]


def _on_head(points_P2: Points, ink: Ink, part: Part | None = None) -> Outline:
    return Outline(points_P2=points_P2 + np.array(CENTER), ink=ink, part=part, on_head=True)


def _with_tip(control: list[tuple[float, float]], tip: int) -> Points:
    """Closed outline that is smooth on both sides of one sharp tip, and sharp where it starts."""
    return np.concatenate([smooth_open(control[: tip + 1]), smooth_open(control[tip:])[1:]])


def _stretch(points_P2: Points, factor: float) -> Points:
    """Lengthen the bill forward from the face; what lies in the face stays."""
    root = 0.24
    stretched = points_P2.copy()
    forward = np.maximum(points_P2[:, 0] - root, 0)
    stretched[:, 0] += (factor - 1) * forward
    return stretched
