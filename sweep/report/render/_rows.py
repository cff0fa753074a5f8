"""A panel with one row below the other: a mark, its seeds and its interval."""

from matplotlib.axes import Axes

from sweep.report._report import Level, Panel
from sweep.report.render._styles import LEVEL_STYLES, STYLES

HEIGHT = 0.21
"""Inches of a row."""


def draw_rows(axes: Axes, panel: Panel, *, is_first: bool) -> None:
    """Draw a panel that has `rows`; the first of those beside one another names them."""
    rows = panel.rows or ()
    scale = 100 if panel.unit == "share" else 1
    color, marker, _ = STYLES[0]
    points = [point for series in panel.series for point in series.points]
    for point in points:
        if point.interval is not None:
            ends = [scale * end for end in point.interval]
            axes.plot(ends, [point.x] * 2, color=color, lw=1.2, alpha=0.6, zorder=2)
        if len(point.seeds) > 1:
            axes.plot(
                [scale * value for value in point.seeds],
                [point.x] * len(point.seeds),
                "|",
                color=color,
                markersize=6,
                alpha=0.7,
                zorder=3,
            )
    axes.plot(
        [scale * point.y for point in points],
        [point.x for point in points],
        marker,
        color=color,
        markersize=5,
        label="mean",
        zorder=4,
    )
    low, high = _limits(panel)
    for level in panel.levels:
        if low <= level.y <= high:
            style = LEVEL_STYLES[0 if level.may_lie_outside else 1]
            axes.axvline(scale * level.y, color="0.45", ls=style, lw=1.1, zorder=1)
            _name(axes, level, scale, share=(level.y - low) / (high - low))
    axes.set_xlim(scale * low, scale * high)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), rows if is_first else [""] * len(rows), fontsize=8)
    axes.set_xlabel(f"{panel.y_label} (%)" if panel.unit == "share" else panel.y_label)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="both", alpha=0.2)


def _name(axes: Axes, level: Level, scale: float, *, share: float) -> None:
    """Above the frame, and not beyond its sides."""
    axes.annotate(
        level.label.partition(":")[0],
        (scale * level.y, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="left" if share < 0.2 else "right" if share > 0.8 else "center",
        fontsize=7,
        color="0.35",
    )


def _limits(panel: Panel) -> tuple[float, float]:
    """Room for every seed, for all of the intervals that are no wider than what seeds span."""
    points = [point for series in panel.series for point in series.points]
    values = [v for point in points for v in (point.y, *point.seeds)]
    values += [level.y for level in panel.levels if not level.may_lie_outside]
    low, high = min(values), max(values)
    room = (high - low) or 0.02
    for level in panel.levels:
        if level.may_lie_outside and max(high, level.y) - min(low, level.y) < 2 * room:
            low, high = min(low, level.y), max(high, level.y)
    ends = [end for point in points for end in point.interval or ()]
    low, high = max(min([low, *ends]), low - room / 4), min(max([high, *ends]), high + room / 4)
    return low - 0.04 * room, high + 0.04 * room
