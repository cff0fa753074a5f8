"""Figures as PNG and SVG, drawn by matplotlib.

A level that may lie outside, such as fidelity's floor, is drawn where that costs a panel less than
half of its height, and is otherwise said in words at the panel's foot: half a panel of nothing
would squeeze what is compared.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from sweep.report._report import Figure, Level, Panel, Point, Series
from sweep.report._spread import CONFIDENCE
from sweep.report.render._labels import name_points
from sweep.report.render._rows import HEIGHT, draw_rows
from sweep.report.render._styles import LEVEL_STYLES, STYLES

_SHIFT = 0.012  # of the width, between series at the same place
_MARGIN = 0.08  # of the height, beyond the seeds
_LEAST_ERROR = 5e-4  # of all, for a place on a logarithmic axis
_BEYOND = 0.25  # of the height, which intervals may take beyond the seeds


def write_pictures(figure: Figure, folder: Path) -> list[Path]:
    """Write NAME.png and NAME.svg, with the text alternative inside."""
    canvas = draw(figure)
    png, svg = folder / f"{figure.name}.png", folder / f"{figure.name}.svg"
    about = {"Title": figure.title, "Description": figure.alternative}
    canvas.savefig(png, dpi=150, metadata=about)
    # Without a date and with fixed ids, the same numbers give the same file.
    with matplotlib.rc_context({"svg.hashsalt": figure.name}):
        canvas.savefig(svg, metadata={**about, "Date": None})
    return [png, svg]


def draw(figure: Figure) -> Canvas:
    """Return matplotlib's figure, unsaved."""
    count = max(1, len(figure.panels))
    longest = max((len(panel.categories or ()) for panel in figure.panels), default=0)
    num_rows = max((len(panel.rows or ()) for panel in figure.panels), default=0)
    if num_rows:
        size = 1.6 + 2.6 * count, 1.5 + HEIGHT * num_rows
        canvas = Canvas(figsize=size, layout="constrained")
        places = canvas.subplots(1, count, squeeze=False)[0]
    elif any(panel.labelled for panel in figure.panels):
        canvas = Canvas(figsize=(8.0, 5.6 * count), layout="constrained")
        places = canvas.subplots(count, 1, squeeze=False)[:, 0]
    elif figure.beside:
        canvas = Canvas(figsize=(max(4.2, 0.75 * longest) * count, 4.0), layout="constrained")
        places = canvas.subplots(1, count, squeeze=False)[0]
    else:
        canvas = Canvas(figsize=(6.8, 3.7 * count), layout="constrained")
        places = canvas.subplots(count, 1, squeeze=False)[:, 0]
    labels = list(dict.fromkeys(s.label for panel in figure.panels for s in panel.series))
    for index, (axes, panel) in enumerate(zip(places, figure.panels, strict=False)):
        axes.spines[["top", "right"]].set_visible(False)
        if panel.rows is not None:
            draw_rows(axes, panel, is_first=index == 0)
        else:
            _panel(axes, panel, labels)
    for axes in places[len(figure.panels) :]:
        axes.set_axis_off()
    handles = {
        name: handle
        for axes, panel in zip(places, figure.panels, strict=False)
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
        if not (panel.labelled and name in labels)
    }
    if len(handles) > 1 or any(panel.labelled for panel in figure.panels):
        # Outside the axes: there is no corner that is free in every sweep.
        canvas.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=4,
            fontsize=8,
            frameon=False,
        )
    canvas.suptitle("\n".join([figure.title, *_what_is_drawn(figure)]), fontsize=10)
    for axes, panel in zip(places, figure.panels, strict=False):
        if panel.labelled:
            _name_points(canvas, axes, panel, labels)
    return canvas


def _what_is_drawn(figure: Figure) -> list[str]:
    points = [p for panel in figure.panels for series in panel.series for p in series.points]
    words = []
    in_rows = any(panel.rows is not None for panel in figure.panels)
    mean, interval = ("round", "lines") if in_rows else ("large", "upright bars")
    if any(len(point.seeds) > 1 for point in points):
        words.append(f"{mean} marks: means, small ones: seeds")
    if any(point.interval for point in points):
        share = f"{100 * CONFIDENCE:g} %"
        words.append(f"{interval}: {share} Student-t intervals, cut at the frame")
    levels = [level for panel in figure.panels for level in panel.levels]
    if any(level.low != level.high for level in levels if not level.may_lie_outside):
        words.append("bands: range of references")
    return words


def _panel(axes: Axes, panel: Panel, labels: Sequence[str]) -> None:
    scale = 100 if panel.unit == "share" else 1
    label = f"{panel.y_label} (%)" if panel.unit == "share" else panel.y_label
    if panel.horizontal:
        _bars(axes, panel, label, scale)
        return
    has_seeds = any(point.seeds for series in panel.series for point in series.points)
    for index, series in enumerate(panel.series):
        shift = has_seeds * _SHIFT * _width(panel) * (index - (len(panel.series) - 1) / 2)
        style = STYLES[labels.index(series.label) % len(STYLES)]
        if panel.error_axis:
            series = replace(series, points=[_as_percent(p) for p in series.points])
        _series(axes, series, style, 0 if panel.labelled else shift, scale)
    low, high = _limits(panel)
    outside = [level for level in panel.levels if not low <= level.y <= high]
    inside = [level for level in panel.levels if low <= level.y <= high]
    for index, level in enumerate(inside):
        _level(axes, level, LEVEL_STYLES[index % len(LEVEL_STYLES)], scale)
    percent = " %" if panel.unit == "share" else ""
    for level in outside:
        where = "below" if level.y < low else "above"
        axes.annotate(
            f"{level.label}: {scale * level.y:.1f}{percent}, {where} this frame",
            (0.995, 0.015 if where == "below" else 0.985),
            xycoords="axes fraction",
            ha="right",
            va="bottom" if where == "below" else "top",
            fontsize=8,
            color="0.4",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
            zorder=5,
        )
    if outside:  # room for the words, which must not lie on the data
        room = _MARGIN * (high - low)
        low, high = low - room, high + room
    axes.set_ylim(scale * low, scale * high)
    if panel.error_axis:
        _error_axis(axes, panel)
    axes.set_ylabel(label)
    axes.set_xlabel(f"{panel.x_label} (%)" if panel.error_axis else panel.x_label)
    if panel.categories is not None:
        axes.set_xticks(range(len(panel.categories)), panel.categories, fontsize=8)
        axes.set_xlim(-0.5, len(panel.categories) - 0.5)
    axes.grid(axis="y", alpha=0.25)


def _series(
    axes: Axes, series: Series, style: tuple[str, str, object], shift: float, scale: float
) -> None:
    color, marker, line = style
    for point in series.points:
        if point.interval is not None:
            ends = [scale * end for end in point.interval]
            axes.plot([point.x + shift] * 2, ends, color=color, lw=1, alpha=0.6, zorder=2)
        if len(point.seeds) > 1:
            axes.plot(
                [point.x + shift] * len(point.seeds),
                [scale * value for value in point.seeds],
                marker,
                color=color,
                markersize=3.5,
                alpha=0.5,
                markeredgewidth=0,
                zorder=3,
            )
    axes.plot(
        [point.x + shift for point in series.points],
        [scale * point.y for point in series.points],
        color=color,
        marker=marker,
        markersize=6,
        ls=line if series.joined else "none",
        lw=1.6,
        label=series.label,
        zorder=4,
    )


def _as_percent(point: Point) -> Point:
    return replace(point, x=100 * max(point.x, _LEAST_ERROR))


def _error_axis(axes: Axes, panel: Panel) -> None:
    """Fewer errors to the right, as better is; factors are alike where errors differ by many."""
    errors = [_as_percent(point).x for series in panel.series for point in series.points]
    low, high = min(errors), max(errors)
    if high > 8 * low:
        axes.set_xscale("log")
        margin = (high / low) ** _MARGIN
        axes.set_xlim(high * margin, low / margin)
        ticks = [t for t in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= t <= high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    else:
        margin = _MARGIN * ((high - low) or 1.0)
        axes.set_xlim(high + margin, low - margin)


def _name_points(canvas: Canvas, axes: Axes, panel: Panel, labels: Sequence[str]) -> None:
    """Each series' name beside its last point."""
    scale = 100 if panel.unit == "share" else 1
    ends = [(series.label, series.points[-1]) for series in panel.series if series.points]
    points = [_as_percent(point) if panel.error_axis else point for _, point in ends]
    name_points(
        canvas,
        axes,
        [name for name, _ in ends],
        [Point(x=point.x, y=scale * point.y) for point in points],
        [STYLES[labels.index(name) % len(STYLES)][0] for name, _ in ends],
    )


def _level(axes: Axes, level: Level, style: tuple[int, tuple[int, ...]], scale: float) -> None:
    color = "0.55" if level.may_lie_outside else "0.2"
    axes.axhline(scale * level.y, color=color, ls=style, lw=1.2, label=level.label, zorder=1)
    if level.low is not None and level.high is not None:
        axes.axhspan(scale * level.low, scale * level.high, color=color, alpha=0.07, lw=0)


def _bars(axes: Axes, panel: Panel, label: str, scale: float) -> None:
    points = [point for series in panel.series for point in series.points]
    axes.barh([p.x for p in points], [scale * p.y for p in points], color=STYLES[0][0])
    axes.set_yticks(range(len(panel.categories or ())), panel.categories or (), fontsize=8)
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.25)


def _limits(panel: Panel) -> tuple[float, float]:
    """Room for every seed, for intervals a little beyond, and for levels that must be seen."""
    points = [point for series in panel.series for point in series.points]
    values = [value for point in points for value in (point.y, *point.seeds)]
    for level in panel.levels:
        if not level.may_lie_outside:
            values += [v for v in (level.y, level.low, level.high) if v is not None]
    low, high = min(values), max(values)
    room = (high - low) or 0.02
    ends = [end for point in points for end in point.interval or ()]
    low = max(min([low, *ends]), low - _BEYOND * room)
    high = min(max([high, *ends]), high + _BEYOND * room)
    for level in panel.levels:
        if level.may_lie_outside and max(high, level.y) - min(low, level.y) < 2 * (high - low):
            low, high = min(low, level.y), max(high, level.y)
    if panel.unit == "share":
        low, high = max(low, 0.0), min(high, 1.0)
    margin = _MARGIN * ((high - low) or room)
    return low - margin, high + margin


def _width(panel: Panel) -> float:
    if panel.categories is not None:
        return float(len(panel.categories))
    places = [point.x for series in panel.series for point in series.points]
    return max(places) - min(places)
