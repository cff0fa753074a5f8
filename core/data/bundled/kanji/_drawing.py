"""One character as its lexicographer drew it: strokes, and the components that they form.

Shape letters: P points, S strokes; the last axis, 2, is (x, y).
"""

import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data.bundled.kanji._paths import Points, sample_path
from core.errors import DataError

_CANVAS = 109.0
"""Width and height of every drawing, in its own units."""

_SPACING = 0.008
"""Of the points along a stroke, in widths of the drawing: a fifth of the thinnest pen, whose edge
is then smooth to a hundredth of its width."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """A part of a character that is a character or a radical itself."""

    element: str
    place: str | None
    """Where it stands in what it is part of, such as "left", "tare" or "nyoc"; None if not told."""

    parts: tuple["Component", ...]
    num_loose_strokes: int
    """Strokes that are in none of the parts."""

    def within(self) -> Iterator["Component"]:
        """It and all components in it, from the outermost."""
        yield self
        for part in self.parts:
            yield from part.within()


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """Strokes in the order in which they are written."""

    whole: Component
    stroke_kinds: tuple[str, ...]
    """Letters of each stroke's name in Unicode: "H" from left to right, "S" downwards, "P" and "N"
    falling to the left and to the right, "D" a dot, "T" rising, "Z" a corner, "G" a hook, ..."""

    points_P2: Points
    """Points along all strokes, in widths of the drawing, y downwards."""

    strokes_P: npt.NDArray[np.int64]
    """The stroke of each point."""

    middles_S2: Points
    """Half way along each stroke, by the count of its points."""


def read_drawing(path: Path) -> Drawing:
    """Read one file of KanjiVG.

    Raises
    ------
    DataError
        If it is not such a file.
    """
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise DataError(f"{str(path)!r} must be a drawing, but is no XML: {error}.") from error
    groups = [g for g in root if (g.get("id") or "").startswith("kvg:StrokePaths")]
    paths = [x for group in groups for x in group.iter() if _local(x.tag) == "path"]
    if len(groups) != 1 or len(groups[0]) != 1 or not paths:
        raise DataError(f"{str(path)!r} must hold the strokes of one character, but does not.")
    strokes = [sample_path(x.get("d") or "", _CANVAS * _SPACING) / _CANVAS for x in paths]
    return Drawing(
        whole=_component(groups[0][0]),
        stroke_kinds=tuple(_kind(x, path) for x in paths),
        points_P2=np.concatenate(strokes),
        strokes_P=np.repeat(np.arange(len(strokes)), [len(points_P2) for points_P2 in strokes]),
        middles_S2=np.stack([points_P2[len(points_P2) // 2] for points_P2 in strokes]),
    )


def read_drawings(paths: Sequence[Path]) -> tuple[Drawing, ...]:
    """Read a character's files; of those with the same strokes in another order only the first."""
    drawings: dict[bytes, Drawing] = {}
    for path in paths:
        drawing = read_drawing(path)
        ink = drawing.points_P2[np.lexsort(drawing.points_P2.T)]
        drawings.setdefault(ink.tobytes(), drawing)
    return tuple(drawings.values())


def _component(group: ET.Element) -> Component:
    parts, num_loose_strokes = _parts(group)
    return Component(
        element=_label(group, "element") or "",
        place=_label(group, "position"),
        parts=tuple(parts),
        num_loose_strokes=num_loose_strokes,
    )


def _parts(group: ET.Element) -> tuple[list[Component], int]:
    parts: list[Component] = []
    num_loose_strokes = 0
    for child in group:
        if _local(child.tag) == "path":
            num_loose_strokes += 1
        elif _label(child, "element") is None:
            # A group without a name is not a component; what is in it belongs to the group above.
            inner, loose = _parts(child)
            parts += inner
            num_loose_strokes += loose
        else:
            _add(parts, _component(child), is_rest=(_label(child, "part") or "1") != "1")
    return parts, num_loose_strokes


def _add(parts: list[Component], found: Component, *, is_rest: bool) -> None:
    """Append a component, or put the rest of one that others interrupt to its beginning."""
    for index, part in enumerate(parts):
        if is_rest and part.element == found.element:
            parts[index] = replace(
                part,
                parts=part.parts + found.parts,
                num_loose_strokes=part.num_loose_strokes + found.num_loose_strokes,
            )
            return
    parts.append(found)


def _kind(stroke: ET.Element, path: Path) -> str:
    # Such as "㇕b", a form of ㇕, or "㇇/㇕", where the first of two ways to write it is taken.
    label = _label(stroke, "type") or ""
    name = unicodedata.name(label[:1], "") if label else ""
    if not name.startswith("CJK STROKE "):
        raise DataError(f"A stroke of {str(path)!r} must have a kind, but has {label!r}.")
    return name.removeprefix("CJK STROKE ")


def _label(element: ET.Element, name: str) -> str | None:
    # The namespace is spelled in two ways in one file.
    for key, value in element.attrib.items():
        if key.startswith("{") and _local(key) == name:
            return value
    return None


def _local(name: str) -> str:
    return name.rsplit("}", 1)[-1]
