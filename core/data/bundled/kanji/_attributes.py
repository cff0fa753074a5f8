"""The binary attributes, from what lexicographers recorded about components and strokes.

Shape letters: K classes, A attributes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.data.bundled.kanji._characters import component_name
from core.data.bundled.kanji._drawing import Drawing

_LOWEST_PREVALENCE, _HIGHEST_PREVALENCE = 0.02, 0.4
"""Of a column, over the characters."""

_FEW_STROKES, _MANY_STROKES = 7, 12
_SIDES = ("left", "right", "top", "bottom")
_LAYOUTS = {
    "left": "side by side",
    "top": "stacked",
    "kamae": "enclosed",
    "tare": "hung",
    "nyo": "carried",
}


class Attribute(NamedTuple):
    """What a drawing can have."""

    kind: str
    """One of "component" (it is in the character), "left", "right", "top" and "bottom" (it is in
    that part of it), "layout" (how the parts are arranged), "stroke" (one of that kind occurs) and
    "strokes" (how many there are)."""

    value: str
    """A component's character, a layout, a kind of stroke or a count."""

    @property
    def name(self) -> str:
        """In ASCII, as figures have no font for kanji."""
        is_component = self.kind == "component" or self.kind in _SIDES
        return f"{self.kind}::{component_name(self.value) if is_component else self.value}"


def attributes_of(drawing: Drawing) -> Iterator[Attribute]:
    """All that a drawing has; some more than once."""
    components = [x for part in drawing.whole.parts for x in part.within()]
    for component in components:
        yield Attribute("component", component.element)
    for part in drawing.whole.parts:
        if part.place in _SIDES:
            for component in part.within():
                yield Attribute(part.place, component.element)
    for part in drawing.whole.parts:
        if part.place in _LAYOUTS:
            yield Attribute("layout", _LAYOUTS[part.place])
    for kind in drawing.stroke_kinds:
        yield Attribute("stroke", kind)
    num_strokes = len(drawing.stroke_kinds)
    if num_strokes <= _FEW_STROKES:
        yield Attribute("strokes", f"up to {_FEW_STROKES}")
    if num_strokes >= _MANY_STROKES:
        yield Attribute("strokes", f"{_MANY_STROKES} or more")


def choose_columns(drawings_K: Sequence[Drawing]) -> tuple[Attribute, ...]:
    """The attributes that become columns, by kind and then by first occurrence.

    A column holds for 2 to 40 % of the characters, and no two columns hold for the same ones: of
    components that never part only the outermost is kept, and a component that stands in one place
    alone is not named with its place as well.
    """
    had_K = [dict.fromkeys(attributes_of(drawing)) for drawing in drawings_K]
    kinds = ("component", *_SIDES, "layout", "stroke", "strokes")
    every = dict.fromkeys(attribute for had in had_K for attribute in had)
    columns: dict[tuple[bool, ...], Attribute] = {}
    for attribute in sorted(every, key=lambda attribute: kinds.index(attribute.kind)):
        holds_K = tuple(attribute in had for had in had_K)
        if _LOWEST_PREVALENCE <= sum(holds_K) / len(holds_K) <= _HIGHEST_PREVALENCE:
            columns.setdefault(holds_K, attribute)
    return tuple(columns.values())


def flags(drawing: Drawing, columns: Sequence[Attribute]) -> npt.NDArray[np.bool_]:
    """Which columns hold for a drawing, shape (A,)."""
    had = set(attributes_of(drawing))
    return np.array([attribute in had for attribute in columns])
