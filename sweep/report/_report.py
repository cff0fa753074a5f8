"""A report as data: tables, figures and sentences. How it looks is a renderer's business.

Shares are fractions here, unrounded; renderers show them as percent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sweep.report._spread import Difference, Spread

Cell = str | int | float | Spread | Difference | None
"""None where there is no number."""

Unit = Literal["share", "seconds", "count", "text", "arm", "number"]
"""What a column holds: "share" is a fraction of 1, shown as percent; "arm" is an arm's name, which
people are shown in short and files hold in full."""

Direction = Literal["higher", "lower"]
"""Which way is better."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    unit: Unit = "share"
    direction: Direction | None = None
    narrow: bool = True
    """Whether it is shown where there is little room. Files hold every column."""

    short: str = ""
    """Its name there, if it has a shorter one."""

    metric: str = ""
    """The name of the measure that it holds, if it holds one (`_measures`)."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of raw values.

    Raises
    ------
    ValueError
        If a row has not one cell for each column.
    """

    name: str
    """Of its file, such as "table"."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    """One line below it."""

    shown_rows: int | None = None
    """How many of the first rows are shown; files hold every row."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"A row of table {self.name!r} must have {len(self.columns)} cells, but got "
                    f"{len(row)}."
                )


@dataclass(frozen=True, kw_only=True)
class Point:
    """A series at one place."""

    x: float
    y: float
    """The mean over the seeds."""

    seeds: Sequence[float] = ()
    interval: tuple[float, float] | None = None
    """Around the mean."""

    @classmethod
    def of(cls, x: float, spread: Spread) -> "Point":
        """A spread at a place; two seeds are shown as they are, without an interval.

        Student's factor for two is 12.7: bars would fill the panel and say no more than the two.
        """
        interval = spread.interval() if spread.count > 2 else None
        return cls(x=x, y=spread.mean, seeds=spread.values, interval=interval)


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points that belong together; the same label means the same colour, marker and line."""

    label: str
    points: Sequence[Point]
    joined: bool = True
    """Whether a line joins them: false where their order says nothing."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """A horizontal line to compare with."""

    label: str
    y: float
    low: float | None = None
    high: float | None = None
    """Range over the seeds."""

    may_lie_outside: bool = False
    """Whether it may be said in words instead, if a panel would have to shrink to show it."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    y_label: str
    x_label: str = ""
    unit: Unit = "share"
    series: Sequence[Series] = ()
    levels: Sequence[Level] = ()
    categories: Sequence[str] | None = None
    """Names of the places 0, 1, ... where x is no number."""

    labelled: bool = False
    """Whether a series is named at its last point, and not in a legend: where there are many."""

    horizontal: bool = False
    """Whether the values are bars to the right of their categories."""

    rows: Sequence[str] | None = None
    """Names of the places 0, 1, ... from the top down, where values are marks beside their names.
    Panels beside one another name the same rows once."""

    error_axis: bool = False
    """Whether x is a share of errors, fewer of them to the right: on a logarithmic axis where
    there are ten times as many in one place as in another."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Panels beside or below one another."""

    name: str
    title: str
    panels: Sequence[Panel]
    alternative: str
    """What it shows, in words, for those who cannot see it."""

    beside: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a sweep comes to."""

    title: str
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    texts: Sequence[str] = field(default=())
    """Sentences that stand below the tables."""
