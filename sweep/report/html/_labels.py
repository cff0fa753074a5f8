"""Where the names of points go, so that few lie on one another."""

from collections.abc import Sequence

WIDTH, HEIGHT = 1000.0, 300.0
"""A figure's frame in pixels, about: names keep their size while it grows and shrinks."""

_LETTER, _LINE, _GAP = 7.0, 14.0, 7.0
_POSITIONS = ("top center", "bottom center", "middle right", "middle left")

Box = tuple[float, float, float, float]
"""Left, lower, right and upper edge."""


def label_positions(
    points: Sequence[tuple[float, float]], names: Sequence[str], ends: tuple[float, float]
) -> list[str]:
    """Plotly's `textposition` for each point: the first that is free, else the first of all.

    Parameters
    ----------
    points
        x and y of each.
    names
        What stands beside each.
    ends
        The frame's lowest and highest y; its x is what the points take.

    Examples
    --------
    >>> label_positions([(0, 0.5), (1, 0.5), (1, 0.5)], ["a", "b", "c"], (0, 1))
    ['top center', 'top center', 'bottom center']
    """
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    wide, high = (right - left) or 1.0, (ends[1] - ends[0]) or 1.0
    places = [(WIDTH * (x - left) / wide, HEIGHT * (y - ends[0]) / high) for x, y in points]
    taken: list[Box] = []
    marks = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    chosen = []
    for index, (place, name) in enumerate(zip(places, names, strict=True)):
        others = taken + [
            mark for other, mark in enumerate(marks) if places[other] != places[index]
        ]
        boxes = {position: _box(place, name, position) for position in _POSITIONS}
        free = [p for p, box in boxes.items() if not any(_overlap(box, o) for o in others)]
        position = free[0] if free else _POSITIONS[0]
        taken.append(boxes[position])
        chosen.append(position)
    return chosen


def _box(place: tuple[float, float], name: str, position: str) -> Box:
    x, y = place
    width = _LETTER * len(name)
    if position == "top center":
        return x - width / 2, y + _GAP, x + width / 2, y + _GAP + _LINE
    if position == "bottom center":
        return x - width / 2, y - _GAP - _LINE, x + width / 2, y - _GAP
    start = x + _GAP if position == "middle right" else x - _GAP - width
    return start, y - _LINE / 2, start + width, y + _LINE / 2


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
