"""Curves: through their control points, evenly walked, turned the stated way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.data.bundled.field_guide._curves import along, disc, rotation, smooth_closed, smooth_open

points = st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=3, max_size=8).map(
    np.array
)


@given(points)
def test_curves_pass_through_their_control_points(control_P2: np.ndarray) -> None:
    assert np.allclose(smooth_closed(control_P2, samples=5)[::5], control_P2)
    assert np.allclose(smooth_open(control_P2, samples=5)[::5], control_P2)


def test_a_smoothed_square_has_the_symmetry_of_a_square() -> None:
    curve = smooth_closed([(1, 1), (-1, 1), (-1, -1), (1, -1)], samples=4)
    turned = curve @ rotation(np.pi / 2).T
    assert np.allclose(np.sort(turned, axis=0), np.sort(curve, axis=0))


def test_along_walks_by_length() -> None:
    corner = np.array([(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)])
    assert np.allclose(along(corner, [0, 0.5, 0.75, 1]), [(0, 0), (2, 0), (3, 0), (3, 1)])


def test_a_quarter_turn_takes_right_to_down() -> None:
    assert np.allclose(rotation(np.pi / 2) @ (1, 0), (0, 1))


def test_a_disc_keeps_its_radii() -> None:
    ring = disc((1.0, 2.0), 0.5, 0.25, turn=0.7) - (1.0, 2.0)
    u, v = (ring @ rotation(0.7)).T
    assert np.allclose((u / 0.5) ** 2 + (v / 0.25) ** 2, 1)
