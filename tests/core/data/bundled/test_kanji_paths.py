"""Points along a stroke: against scipy's Bernstein polynomials, and paths worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BPoly

from core.data.bundled.kanji._paths import sample_path
from core.errors import DataError

# Far from what a number in an SVG path may be read as: no exponents, two decimals.
coordinates = st.integers(0, 10900).map(lambda hundredths: hundredths / 100)
points = st.tuples(coordinates, coordinates)
curves = st.lists(st.tuples(points, points, points), min_size=1, max_size=3)


def absolute(start: tuple[float, float], pieces: list[tuple[tuple[float, float], ...]]) -> str:
    numbers = [" ".join(f"{x},{y}" for x, y in piece) for piece in pieces]
    return f"M{start[0]},{start[1]}" + "".join(f"C{piece}" for piece in numbers)


def relative(start: tuple[float, float], pieces: list[tuple[tuple[float, float], ...]]) -> str:
    path, (x0, y0) = f"M{start[0]},{start[1]}", start
    for piece in pieces:
        path += "c" + " ".join(f"{x - x0:.2f},{y - y0:.2f}" for x, y in piece)
        x0, y0 = piece[-1]
    return path


@settings(max_examples=50, deadline=None)
@given(start=points, pieces=curves, spacing=st.sampled_from([0.4, 3.0, 200.0]))
def test_points_are_those_of_the_bernstein_form(
    start: tuple[float, float], pieces: list[tuple[tuple[float, float], ...]], spacing: float
) -> None:
    sampled_P2 = sample_path(absolute(start, pieces), spacing)
    expected = [np.array([start])]
    for piece in pieces:
        control_42 = np.array([expected[-1][-1], *piece])
        oracle = BPoly(control_42[:, None], [0, 1])
        # However many points there are, they lie at equal steps of the parameter.
        fastest = 3 * np.linalg.norm(np.diff(control_42, axis=0), axis=1).max()
        count = max(int(np.ceil(fastest / spacing)), 1)
        expected.append(oracle(np.linspace(0, 1, count + 1)[1:]))
    assert np.allclose(sampled_P2, np.concatenate(expected), atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(start=points, pieces=curves)
def test_neighbours_are_no_farther_apart_than_asked(
    start: tuple[float, float], pieces: list[tuple[tuple[float, float], ...]]
) -> None:
    steps = np.linalg.norm(np.diff(sample_path(absolute(start, pieces), 0.5), axis=0), axis=1)
    assert steps.max() <= 0.5 + 1e-9


@settings(max_examples=50, deadline=None)
@given(start=points, pieces=curves)
def test_relative_commands_mean_the_same(
    start: tuple[float, float], pieces: list[tuple[tuple[float, float], ...]]
) -> None:
    ours = sample_path(relative(start, pieces), 5)
    theirs = sample_path(absolute(start, pieces), 5)
    assert np.allclose(ours[[0, -1]], theirs[[0, -1]], atol=1e-6)
    assert abs(len(ours) - len(theirs)) <= len(pieces), "a rounded leg may take a point more"


def test_ends_and_joints_are_among_the_points() -> None:
    sampled_P2 = sample_path("M1,2c0,0,3,4,3,4C5,5,6,6,7,8", 1.0)
    for point in ((1, 2), (4, 6), (7, 8)):
        assert (sampled_P2 == point).all(axis=1).any()


def test_a_smooth_curve_mirrors_the_last_leg() -> None:
    # The first leg of the second curve is (2, 1) - (1, 1), put to its start.
    smooth = sample_path("M0,0C0,1 1,1 2,1S4,1 4,0", 0.5)
    spelled_out = sample_path("M0,0C0,1 1,1 2,1C3,1 4,1 4,0", 0.5)
    assert np.array_equal(smooth, spelled_out)
    relative_smooth = sample_path("M0,0c0,1 1,1 2,1s2,0 2,-1", 0.5)
    assert np.allclose(relative_smooth, spelled_out, atol=1e-12)


def test_a_point_that_stands_still_is_two_points() -> None:
    assert sample_path("M3,4c0,0,0,0,0,0", 1.0).tolist() == [[3, 4], [3, 4]]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "a move, then cubic curves, but '' is"),
        ("M1,2", "then cubic curves"),
        ("M1,2L3,4", "moveTo, lineTo"),
        ("M1,2c1,1,2,2,3,3Z", "closePath"),
        ("M0,0c1,1,2,2,3,3M5,5c1,1,2,2,3,3", "then cubic curves"),
        ("M1,2c1,1,2", "cannot be read"),
        ("1,2", "cannot be read"),
        ("hello", "cannot be read"),
    ],
)
def test_other_paths_are_refused(path: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sample_path(path, 1.0)
