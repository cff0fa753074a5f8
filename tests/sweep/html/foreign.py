"""Names that hold markup, in every text of a page."""

import dataclasses
from typing import Any

from sweep.report import Figure, Level, Panel, Point, Series, Spread

MARKUP = "\"'><img src=x onerror=alert(1)><script>alert(2)</script></script><!--"


def _points(base: float) -> list[Point]:
    return [Point.of(x, Spread.of([base, base + 0.02, base + 0.03])) for x in (0.0, 1.0, 2.0)]


FIGURE = Figure(
    name="figure",
    title="A figure",
    alternative="Scores rise.",
    panels=[
        Panel(
            y_label="score",
            series=[
                Series(label="first", points=_points(0.6)),
                Series(label="second", points=_points(0.7), joined=False),
            ],
            levels=[
                Level(label="a reference", y=0.65, low=0.64, high=0.66),
                Level(label="the floor", y=0.1, may_lie_outside=True),
            ],
            categories=["a", "b", "c"],
        )
    ],
)


def with_markup(value: Any) -> Any:
    """The same view with `MARKUP` at the end of every text; pictures and sizes stay."""
    if isinstance(value, str):
        return value + MARKUP
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = ("uri", "figure", "mark", "size")
        changes = {
            field.name: with_markup(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in kept
        }
        return dataclasses.replace(value, **changes)
    if isinstance(value, list | tuple):
        return [with_markup(item) for item in value]
    return value
