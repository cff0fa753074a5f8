"""Names beside points, where no other name and no other point lies."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.transforms import Bbox

from sweep.report._report import Point

_SIZE = 7
_MARK = 5.0
"""Half the side of a point's mark, in points of 1/72 inch."""
_GAP = 2.0
_RADII = (8.0, 13.0, 20.0, 30.0, 42.0, 56.0, 72.0, 90.0, 110.0, 135.0, 160.0, 190.0, 220.0)
_ANGLES = (0, 180, 45, 135, 315, 225, 90, 270, 20, 160, 340, 200, 70, 110, 290, 250)


def name_points(
    canvas: Canvas, axes: Axes, names: Sequence[str], points: Sequence[Point], colors: Sequence[str]
) -> None:
    """Write each name at the free place that is nearest to its point, with a line to it.

    Where no place is free, the farthest one is taken. The axes must have their final limits.

    Parameters
    ----------
    canvas, axes
        Where the points were drawn.
    names, points, colors
        Of each point, its places as the axes have them.
    """
    FigureCanvasAgg(canvas)
    canvas.draw_without_rendering()  # the layout is known from here on
    per_point = canvas.dpi / 72
    marks = [_pair(axes.transData.transform((point.x, point.y))) for point in points]
    half = _MARK * per_point
    taken = [Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in marks]
    frame = axes.get_window_extent()
    # From the right: the crowd of good rows is there, and its names go to the free side first.
    for index in sorted(range(len(points)), key=lambda i: -marks[i][0]):
        text = axes.text(
            0, 0, names[index], fontsize=_SIZE, color=colors[index], transform=None, zorder=6
        )
        extent = text.get_window_extent()
        box = _free_place(
            marks[index], (extent.width, extent.height), taken, frame, per_point=per_point
        )
        taken.append(box.padded(_GAP * per_point))
        text.remove()
        axes.annotate(
            names[index],
            (points[index].x, points[index].y),
            xytext=_pair(axes.transAxes.inverted().transform((box.x0, box.y0 + box.height / 2))),
            textcoords="axes fraction",
            fontsize=_SIZE,
            color=colors[index],
            va="center",
            arrowprops={"arrowstyle": "-", "color": colors[index], "lw": 0.5, "alpha": 0.6},
            annotation_clip=False,
            zorder=6,
        )


def _free_place(
    mark: tuple[float, float],
    size: tuple[float, float],
    taken: Sequence[Bbox],
    frame: Bbox,
    *,
    per_point: float,
) -> Bbox:
    place = Bbox.null()
    for place in _places(mark, size, per_point):
        is_inside = (
            frame.x0 <= place.x0
            and place.x1 <= frame.x1
            and frame.y0 <= place.y0
            and place.y1 <= frame.y1
        )
        if is_inside and not any(place.overlaps(other) for other in taken):
            break
    return place


def _places(
    mark: tuple[float, float], size: tuple[float, float], per_point: float
) -> Iterator[Bbox]:
    """Boxes of a size around a mark, the nearest first."""
    width, height = size
    for radius in _RADII:
        for angle in _ANGLES:
            x = mark[0] + radius * per_point * math.cos(math.radians(angle))
            y = mark[1] + radius * per_point * math.sin(math.radians(angle))
            # The side of the box that is nearest to the mark is at the radius.
            left = x - width * (1 - math.cos(math.radians(angle))) / 2
            yield Bbox.from_bounds(left, y - height / 2, width, height)


def _pair(place: npt.NDArray[Any]) -> tuple[float, float]:
    return float(place[0]), float(place[1])
