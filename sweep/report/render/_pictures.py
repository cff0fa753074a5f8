"""Figures as PNG and SVG, drawn by matplotlib.

A level that may lie outside, such as fidelity's floor, is drawn where that costs a panel less than
a third of its height, and is otherwise said in words at the panel's foot or head: a panel of
nothing would squeeze what is compared.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogFormatter

from sweep.report._frame import MARGIN, Frame
from sweep.report._report import SHARES, UNITS, Figure, Level, Panel, Point, Series
from sweep.report._spread import CONFIDENCE
from sweep.report.render._labels import name_points
from sweep.report.render._rows import HEIGHT, draw_rows
from sweep.report.render._styles import LEVEL_STYLES, STYLES

_SHIFT = 0.012  # of the width, between series at the same place
_LEAST_ERROR = 5e-4  # of all, for a place on a logarithmic axis
_MOST_MARKERS = 15  # on a curve


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
    lines = list(dict.fromkeys(line.label for panel in figure.panels for line in panel.levels))
    frames = [
        None if panel.horizontal or panel.rows is not None else Frame.of(panel)
        for panel in figure.panels
    ]
    drawn = [frame for frame in frames if frame is not None]
    if figure.same_scale and drawn:
        frames = [frame and Frame.around(drawn) for frame in frames]
    for index, (axes, panel, frame) in enumerate(zip(places, figure.panels, frames, strict=False)):
        axes.spines[["top", "right"]].set_visible(False)
        if panel.rows is not None:
            draw_rows(axes, panel, is_first=index == 0)
        elif frame is None:
            _bars(axes, panel)
        else:
            _panel(axes, panel, frame, labels, lines)
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
            ncols=_legend_columns(handles, canvas.get_figwidth()),
            fontsize=8,
            frameon=False,
        )
    head = [figure.title, figure.note, *_what_is_drawn(figure, frames)]
    canvas.suptitle("\n".join(filter(None, head)), fontsize=10)
    for axes, panel in zip(places, figure.panels, strict=False):
        if panel.labelled:
            _name_points(canvas, axes, panel, labels)
    return canvas


def _legend_columns(names: Collection[str], width: float) -> int:
    """As many as fit: a legend outside the axes is cut off where it is wider than the figure."""
    widest = 0.6 + 0.065 * max(map(len, names), default=0)  # inches, at its size of letters
    return max(1, min(4, int(width / widest)))


def _what_is_drawn(figure: Figure, frames: Sequence[Frame | None]) -> list[str]:
    points = [p for panel in figure.panels for series in panel.series for p in series.points]
    words = []
    in_rows = any(panel.rows is not None for panel in figure.panels)
    mean, interval = ("round", "lines") if in_rows else ("large", "upright bars")
    if any(len(point.seeds) > 1 for point in points):
        words.append(f"{mean} marks: means, small ones: seeds")
    if any(point.interval for point in points):
        share = f"{100 * CONFIDENCE:g} %"
        words.append(f"{interval}: {share} Student-t intervals, cut at the frame")
    if any(point.band for point in points):
        words.append("shaded: mean ± standard deviation over seeds")
    levels = [
        level
        for panel, frame in zip(figure.panels, frames, strict=True)
        for level in panel.levels
        if frame is not None and frame.holds(level)
    ]
    if any(level.low != level.high for level in levels):
        words.append("bands: range of references")
    return words


def _panel(
    axes: Axes, panel: Panel, frame: Frame, labels: Sequence[str], lines: Sequence[str]
) -> None:
    axes.set_xscale(panel.x_scale)
    axes.set_yscale(panel.y_scale)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":  # plain numbers rather than 2 x 10^1
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(LogFormatter(minor_thresholds=(1.0, 0.5)))
    scale = _scale(panel)
    has_seeds = any(point.seeds for series in panel.series for point in series.points)
    for index, series in enumerate(panel.series):
        shift = has_seeds * _SHIFT * (index - (len(panel.series) - 1) / 2)
        style = STYLES[labels.index(series.label) % len(STYLES)]
        if panel.error_axis:
            series = replace(series, points=[_as_percent(p) for p in series.points])
        _series(axes, panel, series, style, 0 if panel.labelled else shift)
    for level in filter(frame.holds, panel.levels):
        _level(axes, level, LEVEL_STYLES[lines.index(level.label) % len(LEVEL_STYLES)], scale)
    below = [level for level in panel.levels if level.y < frame.low]
    above = [level for level in panel.levels if level.y > frame.high]
    frame = frame.with_lines(len(below), len(above))
    for line, level in enumerate(below):
        _say(axes, f"{_in_words(level, panel)}, below this frame", 0.015 + line * MARGIN, "bottom")
    for line, level in enumerate(above):
        _say(axes, f"{_in_words(level, panel)}, above this frame", 0.985 - line * MARGIN, "top")
    axes.set_ylim(scale * frame.low, scale * frame.high)
    if panel.error_axis:
        _error_axis(axes, panel)
    axes.set_ylabel(_label(panel))
    axes.set_xlabel(f"{panel.x_label} (%)" if panel.error_axis else panel.x_label)
    if panel.categories is not None:
        axes.set_xticks(range(len(panel.categories)), panel.categories, fontsize=8)
        axes.set_xlim(-0.5, len(panel.categories) - 0.5)
    axes.grid(axis="y", alpha=0.25)


def _say(axes: Axes, words: str, height: float, side: str) -> None:
    axes.annotate(
        words,
        (0.995, height),
        xycoords="axes fraction",
        ha="right",
        va=side,
        fontsize=8,
        color="0.4",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        zorder=5,
    )


def _in_words(level: Level, panel: Panel) -> str:
    low, high = (
        f"{_scale(panel) * (level.y if end is None else end):.1f}"
        for end in (level.low, level.high)
    )
    percent = " %" if panel.unit == "share" else ""
    return f"{level.label}: {low if low == high else f'{low} to {high}'}{percent}"


def _series(
    axes: Axes, panel: Panel, series: Series, style: tuple[str, str, object], shift: float
) -> None:
    color, marker, line = style
    scale = _scale(panel)
    places = _places(panel, series, shift)
    for place, point in zip(places, series.points, strict=True):
        if point.interval is not None:
            ends = [scale * end for end in point.interval]
            axes.plot([place] * 2, ends, color=color, lw=1, alpha=0.6, zorder=2)
        if len(point.seeds) > 1:
            axes.plot(
                [place] * len(point.seeds),
                [scale * value for value in point.seeds],
                marker,
                color=color,
                markersize=3.5,
                alpha=0.5,
                markeredgewidth=0,
                zorder=3,
            )
    banded = [(place, p.band) for place, p in zip(places, series.points, strict=True) if p.band]
    if banded:
        axes.fill_between(
            [place for place, _ in banded],
            [scale * low for _, (low, _) in banded],
            [scale * high for _, (_, high) in banded],
            color=color,
            alpha=0.15,
            lw=0,
            zorder=1,
        )
    axes.plot(
        places,
        [scale * point.y for point in series.points],
        color=color,
        marker=marker,
        markersize=6,
        markevery=max(1, -(-len(series.points) // _MOST_MARKERS)),
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
        margin = (high / low) ** MARGIN
        axes.set_xlim(high * margin, low / margin)
        ticks = [t for t in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= t <= high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    else:
        margin = MARGIN * ((high - low) or 1.0)
        axes.set_xlim(high + margin, low - margin)


def _name_points(canvas: Canvas, axes: Axes, panel: Panel, labels: Sequence[str]) -> None:
    """Each series' name beside its last point."""
    scale = _scale(panel)
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


def _bars(axes: Axes, panel: Panel) -> None:
    scale = _scale(panel)
    points = [point for series in panel.series for point in series.points]
    axes.barh([p.x for p in points], [scale * p.y for p in points], color=STYLES[0][0])
    axes.set_yticks(range(len(panel.categories or ())), panel.categories or (), fontsize=8)
    axes.set_xlabel(_label(panel))
    axes.grid(axis="x", alpha=0.25)


def _places(panel: Panel, series: Series, shift: float) -> list[float]:
    """Where a series' points stand, moved by a share of the panel's width."""
    if panel.categories is not None:
        return [point.x + shift * len(panel.categories) for point in series.points]
    every = [point.x for each in panel.series for point in each.points]
    if panel.x_scale == "log":
        factor = math.exp(shift * math.log(max(every) / min(every)))
        return [point.x * factor for point in series.points]
    return [point.x + shift * (max(every) - min(every)) for point in series.points]


def _label(panel: Panel) -> str:
    return f"{panel.y_label} ({UNITS[panel.unit]})" if panel.unit in UNITS else panel.y_label


def _scale(panel: Panel) -> float:
    return 100 if panel.unit in SHARES else 1
