"""Props. 1 and 2 as a command: what it draws and what it says."""

import functools
from pathlib import Path

import numpy as np
import pytest

from core.equilibrium import Iterate, block_coordinate_descent, equilibrium_gap
from sweep import props
from sweep.cli import EXIT_OK, EXIT_REFUSED
from sweep.props import logistic_intersection, main, run_all
from sweep.report.props import Run, build
from tests.sweep.command import call


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return run_all()


def test_below_the_bound_both_propositions_hold(runs: list[Run]) -> None:
    below = [run for run in runs if run.step < 1]
    assert {(run.proposition, run.problem) for run in below} == {
        (number, problem)
        for number in (1, 2)
        for problem in ("linear regression", "logistic regression")
    }
    for run in below:
        assert run.meets
        assert run.rises == 0
        assert min(run.best_theta[-1], run.best_omega[-1]) == pytest.approx(run.value[-1])


def test_far_above_the_bound_they_need_not(runs: list[Run]) -> None:
    (run,) = (
        run
        for run in runs
        if (run.proposition, run.problem, run.step) == (1, "linear regression", 2.5)
    )
    assert run.rises > 0
    assert not run.meets
    words = " ".join(build(runs).texts)
    assert "linear regression: below 1 / beta it is as said; at 1.5 / beta all the same" in words
    assert "NOT" not in words


def test_what_was_not_as_said_is_said() -> None:
    bad = Run(
        proposition=1,
        problem="a problem",
        step=0.5,
        value=[2.0, 3.0],
        best_theta=[1.0, 1.0],
        best_omega=[2.0, 3.0],
    )
    report = build([bad])
    assert "below 1 / beta it is NOT as said" in " ".join(report.texts)
    assert report.tables[0].rows[0][5:7] == [2.0, 1]


def test_the_partial_minima_are_below_q_and_their_lines_are_drawn(runs: list[Run]) -> None:
    for run in runs:
        for q, theta, omega in zip(run.value, run.best_theta, run.best_omega, strict=True):
            assert max(theta, omega) <= q * (1 + 1e-9)
    figures = build(runs).figures
    assert [figure.name for figure in figures] == [
        "prop1_linear_regression",
        "prop1_logistic_regression",
        "prop2_linear_regression",
        "prop2_logistic_regression",
    ]
    for figure in figures:
        assert [len(panel.series) for panel in figure.panels] == [3, 3, 3]


def test_the_logistic_objective_has_its_gradients_and_minima() -> None:
    rng = np.random.default_rng(3)
    x_ND, z_NE = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    objective = logistic_intersection(x_ND, np.sign(rng.normal(size=(40, 1))), z_NE)
    theta, omega = rng.normal(size=(3, 1)), rng.normal(size=(2, 1))
    assert objective.grad_omega is not None
    for gradient, along in (
        (objective.grad_theta(theta, omega), "theta"),
        (objective.grad_omega(theta, omega), "omega"),
    ):
        direction = rng.normal(size=gradient.shape)
        step = 1e-6 * direction
        ends = [
            objective.value(theta + sign * step, omega)
            if along == "theta"
            else objective.value(theta, omega + sign * step)
            for sign in (1, -1)
        ]
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(np.sum(gradient * direction)))
    assert objective.argmin_theta is not None
    best = objective.argmin_theta(omega)
    assert np.abs(objective.grad_theta(best, omega)).max() < 1e-12
    # beta bounds the gradient's change in every direction that is tried.
    assert objective.smoothness is not None
    for _ in range(50):
        a, b = rng.normal(size=(3, 1)), rng.normal(size=(2, 1))
        change = np.hypot(
            np.linalg.norm(
                objective.grad_theta(theta + a, omega + b) - objective.grad_theta(theta, omega)
            ),
            np.linalg.norm(
                objective.grad_omega(theta + a, omega + b) - objective.grad_omega(theta, omega)
            ),
        )
        assert change <= objective.smoothness * np.hypot(np.linalg.norm(a), np.linalg.norm(b))
    # And an equilibrium is where both stop.
    last: Iterate | None = None
    for step_number, iterate in enumerate(
        block_coordinate_descent(objective, theta, omega, step_size=0.9 / objective.smoothness)
    ):
        last = iterate
        if step_number == 2000:
            break
    assert last is not None
    gap = equilibrium_gap(objective, last)
    assert max(gap.theta, gap.omega) < 1e-9


def test_the_command_writes_pictures_and_says_what_was_seen(tmp_path: Path) -> None:
    code, text = call(functools.partial(main), "--output", tmp_path)
    assert code == EXIT_OK
    assert "Prop. 1: Q convex and beta-smooth" in text
    assert "Seen on logistic regression" in text
    names = {path.name for path in (tmp_path / "props").iterdir()}
    assert {"prop1_linear_regression.png", "prop2_logistic_regression.svg", "table.csv"} <= names


def test_a_folder_that_cannot_be_written_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, text = call(functools.partial(main), "--output", tmp_path / "file")
    assert code == EXIT_REFUSED
    assert text.count("error:") == 1


def test_its_head_says_how_to_run_it() -> None:
    assert "python -m sweep.props" in (props.__doc__ or "")
