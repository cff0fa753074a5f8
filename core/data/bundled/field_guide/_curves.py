"""Smooth outlines through a few control points.

Shape letters: P points, S samples; the last axis, 2, is (x, y).
"""

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


def smooth_closed(control_P2: npt.ArrayLike, *, samples: int = 6) -> Points:
    """Closed Catmull-Rom curve through `control_P2`, `samples` points to a segment.

    Returns
    -------
    Points
        Shape (P * samples, 2); passes through every control point.
    """
    control = np.asarray(control_P2, dtype=np.float64)
    wrapped = np.concatenate([control[-1:], control, control[:2]])
    return _catmull_rom(wrapped, samples)


def smooth_open(control_P2: npt.ArrayLike, *, samples: int = 6) -> Points:
    """Open Catmull-Rom curve from the first control point to the last.

    Returns
    -------
    Points
        Shape ((P - 1) * samples + 1, 2).
    """
    control = np.asarray(control_P2, dtype=np.float64)
    before = 2 * control[:1] - control[1:2]
    after = 2 * control[-1:] - control[-2:-1]
    curve = _catmull_rom(np.concatenate([before, control, after]), samples)
    return np.concatenate([curve, control[-1:]])


def along(curve_P2: Points, fractions_S: npt.ArrayLike) -> Points:
    """Points at the given fractions of the curve's length, shape (S, 2)."""
    steps = np.linalg.norm(np.diff(curve_P2, axis=0), axis=1)
    lengths = np.concatenate([[0.0], np.cumsum(steps)])
    targets = np.asarray(fractions_S, dtype=np.float64) * lengths[-1]
    return np.stack([np.interp(targets, lengths, curve_P2[:, axis]) for axis in (0, 1)], axis=1)


def disc(
    center: tuple[float, float], radius_x: float, radius_y: float, *, turn: float = 0.0
) -> Points:
    """Ellipse turned by `turn` radians, as 20 points."""
    angles = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    flat = np.stack([radius_x * np.cos(angles), radius_y * np.sin(angles)], axis=1)
    return np.asarray(flat @ rotation(turn).T + np.asarray(center))


def rotation(angle: float) -> Points:
    """2 x 2 matrix that turns a column (x, y) by `angle` radians, clockwise where y points down."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _catmull_rom(control_P2: Points, samples: int) -> Points:
    p0, p1, p2, p3 = (control_P2[i : len(control_P2) - 3 + i, None] for i in range(4))
    t = np.linspace(0, 1, samples, endpoint=False)[None, :, None]
    curve = 0.5 * (
        2 * p1
        + (p2 - p0) * t
        + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
        + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return np.asarray(curve.reshape(-1, 2))
