"""A report's figures as Plotly's, one plot a panel, so that a phone can stack them.

Names come from outside, and Plotly reads its own kind of markup in every text: they are escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import plotly.graph_objects as go

from sweep.report._frame import Frame
from sweep.report._report import SHARES, UNITS, Figure, Level, Panel, Point, Series
from sweep.report._spread import CONFIDENCE
from sweep.report.html._labels import label_positions
from sweep.report.html._row_marks import draw_row_marks, height
from sweep.report.html._styles import LEVEL_COLOR, LEVEL_DASHES, STYLES, escape, plain, style_of

_NEXT = "Described with the figure before it; its numbers are in the table below."
_LEAST_ERROR = 5e-4  # of all, for a place on a logarithmic axis
_MANY_TIMES = 8
_SHIFT = 0.012  # of the width, between series at the same place


Size = Literal["small", "half", "wide"]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """An interactive figure, and what stands in its place for those who cannot see or use it."""

    title: str
    figure: go.Figure
    alternative: str
    header: Sequence[str] = ()
    numbers: Sequence[Sequence[str]] = ()
    """The plotted numbers, as a table under `header`."""

    size: Size = "half"
    """How much room it takes on a wide page."""

    height: int | None = None
    """Pixels, where what is drawn asks for a height of its own."""


def plots_of(figure: Figure) -> list[Plot]:
    """One plot a panel; the figure's text alternative goes to the first."""
    labels = list(dict.fromkeys(s.label for panel in figure.panels for s in panel.series))
    panels = [_in_percent(panel) if panel.error_axis else panel for panel in figure.panels]
    frames = [Frame.of(panel) for panel in panels]
    if figure.same_scale:
        frames = [Frame.around(frames)] * len(frames)
    return [
        Plot(
            title=plain(panel.y_label if len(figure.panels) > 1 else figure.title),
            figure=_plot(panel, labels, frame),
            alternative=" ".join(
                [
                    *((figure.note, figure.alternative) if not place else (_NEXT,)),
                    *_outside(panel, frame),
                ]
            ).strip(),
            header=(
                "series",
                plain(panel.x_label) or "at",
                _y_title(panel),
                *_interval_header(panel),
            ),
            size="wide" if panel.labelled else "half",
            height=height(panel) if panel.rows is not None else None,
            numbers=[_row(panel, series, p) for series in panel.series for p in series.points]
            + [_level_row(panel, level) for level in panel.levels],
        )
        for place, (panel, frame) in enumerate(zip(panels, frames, strict=True))
    ]


def _plot(panel: Panel, labels: Sequence[str], frame: Frame) -> go.Figure:
    plot = go.Figure()
    scale = 100 if panel.unit in SHARES else 1
    if panel.horizontal:
        _bars(plot, panel, scale)
        return plot
    if panel.rows is not None:
        draw_row_marks(plot, panel, scale)
        plot.update_xaxes(title_text=_y_title(panel))
        return plot
    several = sum(bool(series.points) for series in panel.series)
    has_seeds = any(len(p.seeds) > 1 for series in panel.series for p in series.points)
    for index, series in enumerate(panel.series):
        style = style_of(labels.index(series.label))
        shift = 0.0
        if has_seeds and not panel.labelled:
            shift = _SHIFT * (index - (several - 1) / 2)
        _series(plot, panel, series, style, shift, scale)
    if panel.labelled:
        _names(plot, panel, (frame.low, frame.high), scale)
    for index, level in enumerate(panel.levels):
        if frame.holds(level):
            _level(plot, panel, level, LEVEL_DASHES[index % len(LEVEL_DASHES)], scale)
    ends = [scale * frame.low, scale * frame.high]
    plot.update_yaxes(
        title_text=_y_title(panel),
        type=panel.y_scale,
        range=[math.log10(end) for end in ends] if panel.y_scale == "log" else ends,
    )
    plot.update_xaxes(title_text=escape(plain(panel.x_label)), type=panel.x_scale)
    if panel.error_axis:
        _error_axis(plot, panel)
    if panel.categories is not None:
        plot.update_xaxes(
            tickvals=list(range(len(panel.categories))),
            ticktext=[escape(name).replace("\n", "<br>") for name in panel.categories],
            range=[-0.5, len(panel.categories) - 0.5],
            showgrid=False,
            zeroline=False,
        )
    named = [trace for trace in plot.data if trace.name and trace.showlegend is not False]
    plot.update_layout(showlegend=len(named) + panel.labelled > 1)
    return plot


def _outside(panel: Panel, frame: Frame) -> list[str]:
    """Sentences about the levels that a frame has no room for."""
    return [
        f"{_capital(plain(level.label))}, {_number(level.y, panel)}, lies "
        f"{'below' if level.y < frame.low else 'above'} this frame."
        for level in panel.levels
        if not frame.holds(level) and not panel.horizontal and panel.rows is None
    ]


def _in_percent(panel: Panel) -> Panel:
    """Errors as percent, none of them 0, for which a logarithm has no place."""
    series = [
        replace(one, points=[replace(p, x=100 * max(p.x, _LEAST_ERROR)) for p in one.points])
        for one in panel.series
    ]
    return replace(panel, series=series, x_label=f"{panel.x_label} (%)")


def _error_axis(plot: go.Figure, panel: Panel) -> None:
    """Fewer errors to the right, as better is."""
    is_log = _is_log(panel)
    start, stop = (math.log10(end) if is_log else end for end in _ends(panel))
    room = 0.06 * ((stop - start) or 1.0)
    plot.update_xaxes(
        type="log" if is_log else "linear",
        range=[stop + room, start - room],
    )


def _is_log(panel: Panel) -> bool:
    """Whether there are many times as many errors in one place as in another."""
    start, stop = _ends(panel)
    return stop > _MANY_TIMES * start


def _series(
    plot: go.Figure,
    panel: Panel,
    series: Series,
    style: tuple[str, str, str],
    shift: float,
    scale: float,
) -> None:
    color, marker, dash = style
    label = escape(plain(series.label))
    places = [_moved(panel, point.x, shift) for point in series.points]
    bands = [(x, p.band) for x, p in zip(places, series.points, strict=True) if p.band]
    if bands:
        # There and back: what lies between is filled.
        plot.add_scatter(
            x=[x for x, _ in bands] + [x for x, _ in reversed(bands)],
            y=[scale * high for _, (_, high) in bands]
            + [scale * low for _, (low, _) in reversed(bands)],
            mode="none",
            fill="toself",
            fillcolor=color,
            opacity=0.15,
            legendgroup=label,
            showlegend=False,
            hoverinfo="skip",
        )
    seeds = [
        (x, scale * value)
        for x, p in zip(places, series.points, strict=True)
        if len(p.seeds) > 1
        for value in p.seeds
    ]
    if seeds:
        plot.add_scatter(
            x=[x for x, _ in seeds],
            y=[y for _, y in seeds],
            mode="markers",
            marker={"color": color, "symbol": marker, "size": 5, "opacity": 0.5},
            legendgroup=label,
            showlegend=False,
            hovertemplate="one seed: %{y:.3~g}<extra></extra>",
        )
    ends = [p.interval or (p.y, p.y) for p in series.points]
    has_intervals = any(p.interval for p in series.points)
    plot.add_scatter(
        x=places,
        y=[scale * p.y for p in series.points],
        name=label,
        legendgroup=label,
        mode="lines+markers" if series.joined else "markers",
        line={"color": color, "dash": dash, "width": 2},
        marker={"color": color, "symbol": marker, "size": 9},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [scale * (end[1] - p.y) for p, end in zip(series.points, ends, strict=True)],
            "arrayminus": [
                scale * (p.y - end[0]) for p, end in zip(series.points, ends, strict=True)
            ],
            "thickness": 1.2,
            "width": 4,
        }
        if has_intervals
        else None,
        text=[escape(_at(panel, p)) for p in series.points],
        hovertemplate=f"{label}<br>%{{text}}<br>%{{y:.2f}}<extra></extra>",
    )


def _names(plot: go.Figure, panel: Panel, ends: tuple[float, float], scale: float) -> None:
    """Name each series beside its last point, and not in a legend."""
    last = [(series.label, series.points[-1]) for series in panel.series if series.points]
    is_log = panel.error_axis and _is_log(panel)
    side = -1 if panel.error_axis else 1  # such an axis runs the other way
    places = [(side * (math.log10(p.x) if is_log else p.x), p.y) for _, p in last]
    positions = label_positions(places, [name for name, _ in last], ends)
    for (name, point), position in zip(last, positions, strict=True):
        plot.add_scatter(
            x=[point.x],
            y=[scale * point.y],
            text=[escape(plain(name))],
            # The mark that keeps the name off the point itself is not seen.
            mode="markers+text",
            marker={"size": 12, "opacity": 0},
            textposition=position,
            textfont={"size": 11},
            cliponaxis=False,
            showlegend=False,
            hoverinfo="skip",
        )
    plot.update_traces(showlegend=False)


def _level(plot: go.Figure, panel: Panel, level: Level, dash: str, scale: float) -> None:
    start, stop = _ends(panel)
    label = escape(plain(level.label))
    if level.low is not None and level.high is not None and level.low != level.high:
        plot.add_hrect(
            y0=scale * level.low,
            y1=scale * level.high,
            fillcolor=LEVEL_COLOR,
            opacity=0.12,
            line_width=0,
            layer="below",
        )
    plot.add_scatter(
        x=[start, (start + stop) / 2, stop],
        y=[scale * level.y] * 3,
        name=label,
        mode="lines",
        line={"color": LEVEL_COLOR, "dash": dash, "width": 1.6},
        hovertemplate=f"{label}<br>%{{y:.2f}}<extra></extra>",
    )


def _bars(plot: go.Figure, panel: Panel, scale: float) -> None:
    names = [escape(name) for name in panel.categories or ()]
    points = [point for series in panel.series for point in series.points]
    plot.add_bar(
        x=[scale * point.y for point in points],
        y=[names[int(point.x)] for point in points],
        orientation="h",
        marker={"color": STYLES[0][0]},
        hovertemplate="%{y}<br>%{x:.1f}<extra></extra>",
    )
    plot.update_xaxes(title_text=_y_title(panel))
    plot.update_yaxes(automargin=True, showgrid=False)


def _ends(panel: Panel) -> tuple[float, float]:
    if panel.categories is not None:
        return -0.5, len(panel.categories) - 0.5
    places = [point.x for series in panel.series for point in series.points]
    return min(places, default=0.0), max(places, default=1.0)


def _moved(panel: Panel, x: float, shift: float) -> float:
    """A place, moved by a share of the panel's width."""
    start, stop = _ends(panel)
    if panel.x_scale == "log":
        return x * math.exp(shift * math.log(stop / start))
    return x + shift * (stop - start)


def _y_title(panel: Panel) -> str:
    label = escape(plain(panel.y_label))
    return f"{label} ({UNITS[panel.unit]})" if panel.unit in UNITS else label


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _number(value: float, panel: Panel) -> str:
    if panel.unit in SHARES:
        return f"{100 * value:.1f} {UNITS[panel.unit]}"
    return f"{value:.4g}"


def _at(panel: Panel, point: Point) -> str:
    if panel.rows is not None:
        return panel.rows[int(point.x)]
    if panel.categories is not None:
        return panel.categories[int(point.x)].replace("\n", " ")
    name = plain(panel.x_label)
    return f"{name}: {point.x:.4g}" if name else f"{point.x:.4g}"


def _interval_header(panel: Panel) -> tuple[str, ...]:
    points = [point for series in panel.series for point in series.points]
    words = []
    if any(len(point.seeds) > 1 for point in points):
        words.append("seeds")
    if any(point.band for point in points):
        words.append("mean less and plus the standard deviation")
    if any(point.interval for point in points):
        words.append(f"{100 * CONFIDENCE:g} % Student-t interval of the mean")
    return tuple(words)


def _row(panel: Panel, series: Series, point: Point) -> list[str]:
    cells = [plain(series.label), _at(panel, point), _number(point.y, panel)]
    for word in _interval_header(panel):
        if word == "seeds":
            cells.append(", ".join(_number(value, panel) for value in point.seeds))
            continue
        ends = point.band if word.startswith("mean less") else point.interval
        cells.append("-" if ends is None else " to ".join(_number(end, panel) for end in ends))
    return cells


def _level_row(panel: Panel, level: Level) -> list[str]:
    empty = ["-"] * len(_interval_header(panel))
    return [plain(level.label), "everywhere", _number(level.y, panel), *empty]
