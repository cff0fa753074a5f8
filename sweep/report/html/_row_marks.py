"""Marks beside the names of rows, one below the other, with values to the right."""

import plotly.graph_objects as go

from sweep.report._report import Panel
from sweep.report.html._styles import LEVEL_COLOR, LEVEL_DASHES, STYLES, escape, plain

ROW, FRAME = 22, 130
"""Pixels of a row, and of what stands around them."""


def height(panel: Panel) -> int:
    """Of the figure, in pixels."""
    return FRAME + ROW * len(panel.rows or ())


def draw_row_marks(plot: go.Figure, panel: Panel, scale: float) -> None:
    """Draw means, seeds and intervals of each row, and levels as upright lines."""
    names = [escape(name) for name in panel.rows or ()]
    color, marker, _ = STYLES[0]
    for series in panel.series:
        seeds = [(p.x, v) for p in series.points if len(p.seeds) > 1 for v in p.seeds]
        plot.add_scatter(
            x=[scale * value for _, value in seeds],
            y=[x for x, _ in seeds],
            mode="markers",
            marker={"color": color, "size": 4, "opacity": 0.5},
            hovertemplate="one seed: %{x:.2f}<extra></extra>",
            showlegend=False,
        )
        ends = [p.interval or (p.y, p.y) for p in series.points]
        above = [scale * (end[1] - p.y) for p, end in zip(series.points, ends, strict=True)]
        below = [scale * (p.y - end[0]) for p, end in zip(series.points, ends, strict=True)]
        plot.add_scatter(
            x=[scale * p.y for p in series.points],
            y=[p.x for p in series.points],
            name=escape(plain(series.label)),
            mode="markers",
            marker={"color": color, "symbol": marker, "size": 9},
            error_x={"type": "data", "symmetric": False, "array": above, "arrayminus": below},
            text=[names[int(p.x)] for p in series.points],
            hovertemplate="%{text}<br>%{x:.2f}<extra></extra>",
        )
    for index, level in enumerate(panel.levels):
        plot.add_scatter(
            x=[scale * level.y] * 2,
            y=[-0.5, len(names) - 0.5],
            name=escape(plain(level.label)),
            mode="lines",
            line={"color": LEVEL_COLOR, "dash": LEVEL_DASHES[index % len(LEVEL_DASHES)]},
            hovertemplate=f"{escape(plain(level.label))}<br>%{{x:.2f}}<extra></extra>",
        )
    plot.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        range=[len(names) - 0.5, -0.5],
        zeroline=False,
        tickfont={"size": 11},
    )
    plot.update_layout(showlegend=bool(panel.levels))
