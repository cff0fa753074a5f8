"""Props. 1 and 2 as a picture: Q and both partial minima over the iterates, around 1 / beta.

    python -m sweep.props --output runs

Eq. 5 on two problems that meet what the propositions suppose: linear and logistic regression for
G, with T linear on other features. Each runs below the step size that the propositions allow, 0.9 /
beta, and above it, at 1.5 and 2.5 / beta. Prop. 2 also asks for a Lipschitz Q: both are, on the
bounded set that a falling Q cannot leave. Nothing is trained, and neither Ray nor MLflow is needed:
the command prints what the propositions say and what was seen, and writes the figures.

18 s on two cores that other work kept busy five times over, most of it imports. Expect all as said
below, the same at 1.5, and Q without bound at 2.5 in three of the four.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.markup import escape

from core.equilibrium import (
    Iterate,
    Objective,
    alternating_exact,
    block_coordinate_descent,
    equilibrium_gap,
    linear_intersection,
)
from sweep.cli import EXIT_OK, EXIT_REFUSED, command_parser, make_console
from sweep.errors import SweepError
from sweep.report.props import Run, build
from sweep.report.render import show, write

Array = npt.NDArray[np.float64]

STEPS = (0.9, 1.5, 2.5)
"""mu as multiples of 1 / beta."""

ITERATES = 150
SAMPLES, FEATURES, OTHERS = 200, 6, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the dynamics and return the exit code. 2: the figures cannot be written."""
    parser = command_parser(__doc__ or "")
    parser.add_argument(
        "--output", type=Path, default=Path("runs"), metavar="DIR", help="(default: runs)"
    )
    options = parser.parse_args(arguments)
    console = make_console()
    report = build(run_all())
    show(report, console)
    try:
        paths = write(report, options.output / "props")
    except SweepError as error:
        console.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        return EXIT_REFUSED
    for path in paths:
        console.print(f"Written: {path}")
    return EXIT_OK


def run_all(num_iterates: int = ITERATES) -> list[Run]:
    """Both propositions on both problems at every step size."""
    rng = np.random.default_rng(0)
    x_ND = rng.normal(size=(SAMPLES, FEATURES))
    z_NE = rng.normal(size=(SAMPLES, OTHERS)) + x_ND[:, :OTHERS] / 2
    targets_N1 = x_ND @ rng.normal(size=(FEATURES, 1)) + rng.normal(size=(SAMPLES, 1))
    theta, omega = rng.normal(size=(FEATURES, 1)), rng.normal(size=(OTHERS, 1))
    problems = {
        "linear regression": linear_intersection(x_ND, targets_N1, z_NE),
        "logistic regression": logistic_intersection(x_ND, np.sign(targets_N1), z_NE),
    }
    runs = []
    for name, objective in problems.items():
        for step in STEPS:
            for proposition, dynamics in (
                (1, _alternating(objective, theta, step)),
                (2, _descent(objective, theta, omega, step)),
            ):
                iterates = list(islice(dynamics, num_iterates))
                gaps = [equilibrium_gap(objective, iterate) for iterate in iterates]
                runs.append(
                    Run(
                        proposition=proposition,
                        problem=name,
                        step=step,
                        value=[iterate.value for iterate in iterates],
                        best_theta=[i.value - g.theta for i, g in zip(iterates, gaps, strict=True)],
                        best_omega=[i.value - g.omega for i, g in zip(iterates, gaps, strict=True)],
                    )
                )
    return sorted(runs, key=lambda run: (run.proposition, run.problem, run.step))


def _alternating(objective: Objective, theta: Array, step: float) -> Iterator[Iterate]:
    return alternating_exact(
        objective,
        theta,
        step_size=_step_size(objective.theta_smoothness, step),
        enforce_step_size=step < 1,
    )


def _descent(objective: Objective, theta: Array, omega: Array, step: float) -> Iterator[Iterate]:
    return block_coordinate_descent(
        objective,
        theta,
        omega,
        step_size=_step_size(objective.smoothness, step),
        enforce_step_size=step < 1,
    )


def _step_size(beta: float | None, step: float) -> float:
    if beta is None:
        raise TypeError("The problems of this file know their betas.")
    return step / beta


def logistic_intersection(x_ND: Array, signs_N1: Array, z_NE: Array) -> Objective:
    """Eq. 5 for a logistic G and a linear T that meets its logits in squared distance.

    Q(theta, omega) = (sum log(1 + exp(-y x'theta)) + |X theta - Z omega|^2) / N. The logistic loss
    bends by at most 1/4, so beta = (1/4 + 2) |X|_2^2 / N in theta. In both it is at most the sum of
    the two terms' own.

    Parameters
    ----------
    x_ND, z_NE
        Features of G and of T, of full column rank.
    signs_N1
        y, -1 or 1. Not to be separated by a plane, or the label's loss has no minimizer alone.
    """
    num_samples = len(x_ND)
    signed_ND = signs_N1 * x_ND
    stacked = np.hstack([x_ND, -z_NE])
    label_beta = float(np.linalg.norm(x_ND, 2) ** 2 / (4 * num_samples))

    def value(theta: Array, omega: Array) -> float:
        label_loss = np.logaddexp(0.0, -signed_ND @ theta).sum()
        return float(label_loss + np.sum((x_ND @ theta - z_NE @ omega) ** 2)) / num_samples

    def grad_theta(theta: Array, omega: Array) -> Array:
        weights_N1 = np.exp(-np.logaddexp(0.0, signed_ND @ theta))
        distance_N1 = x_ND @ theta - z_NE @ omega
        return np.asarray((2 * x_ND.T @ distance_N1 - signed_ND.T @ weights_N1) / num_samples)

    def argmin_theta(omega: Array) -> Array:
        # Newton from the best for the quadratic term, which alone makes Q strongly convex.
        theta = np.asarray(np.linalg.lstsq(x_ND, z_NE @ omega)[0])
        for _ in range(20):
            weights_N1 = np.exp(-np.logaddexp(0.0, signed_ND @ theta))
            curvature_N1 = weights_N1 * (1 - weights_N1) + 2
            hessian_DD = x_ND.T @ (curvature_N1 * x_ND) / num_samples
            theta = theta - np.linalg.solve(hessian_DD, grad_theta(theta, omega))
        return theta

    return Objective(
        value=value,
        grad_theta=grad_theta,
        grad_omega=lambda theta, omega: 2 / num_samples * (z_NE.T @ (z_NE @ omega - x_ND @ theta)),
        argmin_theta=argmin_theta,
        argmin_omega=lambda theta: np.asarray(np.linalg.lstsq(z_NE, x_ND @ theta)[0]),
        theta_smoothness=label_beta + float(2 * np.linalg.norm(x_ND, 2) ** 2 / num_samples),
        smoothness=label_beta + float(2 * np.linalg.norm(stacked, 2) ** 2 / num_samples),
    )


if __name__ == "__main__":
    sys.exit(main())
