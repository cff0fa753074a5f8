"""From a stroke's SVG path to points along it.

Shape letters: P points; the last axis, 2, is (x, y).
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from core.errors import DataError

Points = npt.NDArray[np.float64]


def sample_path(path: str, spacing: float) -> Points:
    """Points along the curves of one open path, ends and joints included.

    Parameters
    ----------
    path
        One "M" and cubic curves after it ("C", "S", absolute or relative): all that KanjiVG has.
    spacing
        Upper bound of the distance between neighbours, above 0.

    Returns
    -------
    Points
        Shape (P, 2), at least two.

    Raises
    ------
    DataError
        If the path is anything else.

    Examples
    --------
    >>> sample_path("M0,0c1,0,2,0,3,0", 1.0)[:, 0]
    array([0., 1., 2., 3.])
    """
    # Imported here, since it comes with the extra, and takes time.
    from fontTools.pens.recordingPen import RecordingPen
    from fontTools.svgLib.path import parse_path

    pen = RecordingPen()
    try:
        parse_path(path, pen)
    except (ValueError, TypeError, IndexError, AssertionError) as error:
        raise DataError(f"{path!r} must be an SVG path, but cannot be read: {error}.") from error
    commands = [name for name, _ in pen.value]
    if commands != ["moveTo", *["curveTo"] * (len(commands) - 2), "endPath"] or len(commands) < 3:
        raise DataError(
            f"A stroke must be a move, then cubic curves, but {path!r} is: {', '.join(commands)}."
        )
    ends = [points[-1] for _, points in pen.value[:-1]]
    pieces = [
        _sample_cubic(np.array([start, *points], dtype=np.float64), spacing)
        for (start, _), (_, points) in zip(pairwise(ends), pen.value[1:-1], strict=True)
    ]
    return np.concatenate([np.array(ends[:1], dtype=np.float64), *pieces])


def _sample_cubic(control_42: Points, spacing: float) -> Points:
    """Points after the first one, at equal steps of the parameter."""
    # No point moves faster than three times the longest leg of the control polygon.
    legs = np.linalg.norm(np.diff(control_42, axis=0), axis=1)
    count = max(int(np.ceil(3 * legs.max() / spacing)), 1)
    t = np.linspace(0, 1, count + 1)[1:, None]
    p0, p1, p2, p3 = control_42
    s = 1 - t
    curve = s**3 * p0 + 3 * s**2 * t * p1 + 3 * s * t**2 * p2 + t**3 * p3
    curve[-1] = p3
    return np.asarray(curve)
