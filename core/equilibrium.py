"""Intersection regularization as runnable dynamics: Eq. 5 and Props. 1 and 2.

Two hypotheses share one objective, Q(theta, omega) = L_S[G_theta, y] + L_S[G_theta, T_omega].
An equilibrium is a pair from which neither can improve Q alone.

Where the paper's two texts of Prop. 1 differ, this file follows the proof. The statement gives
omega_t = argmin Q(theta_{t-1}, .), but the initialization and Eq. 8, and so the proof that Q
decreases, take the minimizer at the same index: omega_t = argmin Q(theta_t, .). Iterates are
counted from 1, as in the paper.

Shape letters: N samples, D features of G, E features of T, K outputs.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError, NonFiniteLossError

__all__ = [
    "EquilibriumGap",
    "Iterate",
    "Objective",
    "alternating_exact",
    "block_coordinate_descent",
    "equilibrium_gap",
    "linear_intersection",
]

Array = npt.NDArray[np.float64]
_Function = TypeVar("_Function")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Q(theta, omega) and what is known of it. Every function takes (theta, omega) arrays.

    Leave out what the dynamics at hand do not need; what is missing is named when it is needed.
    """

    value: Callable[[Array, Array], float]
    """Q(theta, omega)."""

    grad_theta: Callable[[Array, Array], Array]
    """Gradient of Q in theta, of theta's shape."""

    grad_omega: Callable[[Array, Array], Array] | None = None
    """Gradient of Q in omega, of omega's shape. Needed by `block_coordinate_descent`."""

    argmin_theta: Callable[[Array], Array] | None = None
    """omega -> a global minimizer of Q(., omega). Needed by `equilibrium_gap`."""

    argmin_omega: Callable[[Array], Array] | None = None
    """theta -> a global minimizer of Q(theta, .). Needed by `alternating_exact`."""

    theta_smoothness: float | None = None
    """beta of Prop. 1: Q(., omega) is beta-smooth for every omega. None: not known."""

    smoothness: float | None = None
    """beta of Prop. 2: Q is beta-smooth in (theta, omega) together. None: not known."""

    def __post_init__(self) -> None:
        for name in ("theta_smoothness", "smoothness"):
            beta = getattr(self, name)
            if beta is not None and not (math.isfinite(beta) and beta > 0):
                raise ConfigError(
                    f"`{name}` must be positive and finite, but got {beta}. "
                    "Leave it None if it is not known."
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class Iterate:
    """One state of the dynamics. The arrays are read-only copies."""

    step: int
    """The paper's t: 1 is the start."""

    theta: Array
    omega: Array

    value: float
    """Q(theta, omega)."""


@dataclass(frozen=True, kw_only=True)
class EquilibriumGap:
    """How much each side could still gain alone. Both are 0, up to rounding, at an equilibrium."""

    theta: float
    """Q(theta, omega) - min over theta of Q(theta, omega)."""

    omega: float
    """Q(theta, omega) - min over omega of Q(theta, omega)."""


def alternating_exact(
    objective: Objective,
    theta: npt.ArrayLike,
    *,
    step_size: float,
    enforce_step_size: bool = True,
) -> Iterator[Iterate]:
    """Yield the dynamics of Prop. 1: a gradient step in theta, then the exact omega.

    theta_t = theta_{t-1} - mu * grad_theta Q(theta_{t-1}, omega_{t-1}),
    omega_t = argmin over omega of Q(theta_t, omega).

    Parameters
    ----------
    objective
        Q, convex in theta for every omega, with `argmin_omega`.
    theta
        theta_1, any shape, cast to float64. omega_1 is its best response.
    step_size
        mu. Must be below 1 / beta where beta is known: `theta_smoothness`, else `smoothness`,
        which bounds it.
    enforce_step_size
        False lets a larger step through, to see what the condition is for.

    Yields
    ------
    Iterate
        The start, then one iterate a step, without end.

    Raises
    ------
    ConfigError
        If `step_size` is not allowed or `argmin_omega` is missing. Raised at the call.
    DataError
        If a gradient has another shape than its variable.
    NonFiniteLossError
        If Q becomes NaN or infinite.

    Notes
    -----
    Source: section 4, Prop. 1 and Eqs. 8 to 12 of appendix D.

    Examples
    --------
    >>> objective = linear_intersection(x_ND, y_NK, z_NE)
    >>> dynamics = alternating_exact(objective, theta, step_size=0.9 / objective.theta_smoothness)
    >>> values = [iterate.value for iterate in itertools.islice(dynamics, 100)]
    """
    argmin_omega = _needed(objective.argmin_omega, "argmin_omega")
    beta = (
        objective.smoothness if objective.theta_smoothness is None else objective.theta_smoothness
    )
    _check_step_size(step_size, beta, enforce_step_size)

    def advance(theta: Array, omega: Array) -> tuple[Array, Array]:
        theta = _descend(theta, objective.grad_theta(theta, omega), step_size, "theta")
        return theta, _frozen(argmin_omega(theta))

    first_theta = _frozen(theta)
    return _run(objective, first_theta, _frozen(argmin_omega(first_theta)), advance)


def block_coordinate_descent(
    objective: Objective,
    theta: npt.ArrayLike,
    omega: npt.ArrayLike,
    *,
    step_size: float,
    enforce_step_size: bool = True,
) -> Iterator[Iterate]:
    """Yield the dynamics of Prop. 2: a gradient step in theta, then one in omega.

    theta_{t+1} = theta_t - mu * grad_theta Q(theta_t, omega_t),
    omega_{t+1} = omega_t - mu * grad_omega Q(theta_{t+1}, omega_t).

    Parameters
    ----------
    objective
        Q, convex in each variable, with `grad_omega`. Prop. 2 also asks for a Lipschitz Q; a
        quadratic is Lipschitz on the bounded set that a decreasing Q cannot leave.
    theta, omega
        theta_1 and omega_1, any shapes, cast to float64.
    step_size, enforce_step_size
        As in `alternating_exact`, with `smoothness` as beta.

    Yields
    ------
    Iterate
        The start, then one iterate a step, without end.

    Raises
    ------
    ConfigError, DataError, NonFiniteLossError
        As in `alternating_exact`, with `grad_omega` as the function needed.

    Notes
    -----
    Source: section 4, Prop. 2 and Eqs. 13 to 19 of appendix D.

    Examples
    --------
    >>> dynamics = block_coordinate_descent(objective, theta, omega, step_size=0.05)
    >>> last = next(itertools.islice(dynamics, 200, None))
    """
    grad_omega = _needed(objective.grad_omega, "grad_omega")
    _check_step_size(step_size, objective.smoothness, enforce_step_size)

    def advance(theta: Array, omega: Array) -> tuple[Array, Array]:
        theta = _descend(theta, objective.grad_theta(theta, omega), step_size, "theta")
        return theta, _descend(omega, grad_omega(theta, omega), step_size, "omega")

    return _run(objective, _frozen(theta), _frozen(omega), advance)


def equilibrium_gap(objective: Objective, iterate: Iterate) -> EquilibriumGap:
    """Return how far each side is from its best response (section 4, "equilibrium point").

    Needs `argmin_theta` and `argmin_omega`, else raises ConfigError. A gap is never below 0 but
    for rounding, and is not clamped.

    Examples
    --------
    >>> equilibrium_gap(objective, last)
    EquilibriumGap(theta=3.1e-16, omega=0.0)
    """
    best_theta = _needed(objective.argmin_theta, "argmin_theta")(iterate.omega)
    best_omega = _needed(objective.argmin_omega, "argmin_omega")(iterate.theta)
    return EquilibriumGap(
        theta=iterate.value - float(objective.value(best_theta, iterate.omega)),
        omega=iterate.value - float(objective.value(iterate.theta, best_omega)),
    )


def linear_intersection(x_ND: npt.ArrayLike, y_NK: npt.ArrayLike, z_NE: npt.ArrayLike) -> Objective:
    """Build Eq. 5 for linear G_theta(x) = x theta and T_omega(x) = z(x) omega, squared loss.

    Q(theta, omega) = (|X theta - Y|^2 + |X theta - Z omega|^2) / N. With z other features of the
    same samples, often fewer, T's class is the restriction that Eq. 5 is about.

    Both betas are exact. The Hessian in theta is (4 / N) X'X, so beta = 4 |X|_2^2 / N. The
    Hessian in both is (2 / N) B'B with B = [[X, 0], [X, -Z]], so beta = 2 |B|_2^2 / N. As Q is
    convex in both together, an equilibrium is a global minimum here.

    Parameters
    ----------
    x_ND, y_NK, z_NE
        G's features, the targets y, and T's features: finite, one row per sample. The paper's
        assumption that L_S[G_theta, y] grows with theta means that X has full column rank; if
        not, the minimizers are those of least norm.

    Returns
    -------
    Objective
        Complete, for theta of shape (D, K) and omega of shape (E, K).

    Raises
    ------
    DataError
        If one is no finite matrix, the rows differ in number, or `x_ND` has no nonzero entry.

    Notes
    -----
    Source: Eq. 5 with the loss l_2 of section 3.

    Examples
    --------
    >>> objective = linear_intersection(np.eye(2), np.ones((2, 1)), np.eye(2))
    >>> objective.theta_smoothness
    2.0
    """
    x_ND, y_NK, z_NE = (
        _matrix(name, given) for name, given in (("x_ND", x_ND), ("y_NK", y_NK), ("z_NE", z_NE))
    )
    num_samples = len(x_ND)
    if not num_samples == len(y_NK) == len(z_NE):
        raise DataError(
            "`x_ND`, `y_NK` and `z_NE` must have one row per sample, but have "
            f"{num_samples}, {len(y_NK)} and {len(z_NE)} rows."
        )
    if not x_ND.any():
        raise DataError("`x_ND` must have a nonzero entry: without one no theta changes Q.")
    stacked = np.block([[x_ND, np.zeros_like(z_NE)], [x_ND, -z_NE]])

    def value(theta: Array, omega: Array) -> float:
        prediction_NK = x_ND @ theta
        label_loss = np.sum((prediction_NK - y_NK) ** 2)
        return float(label_loss + np.sum((prediction_NK - z_NE @ omega) ** 2)) / num_samples

    def grad_theta(theta: Array, omega: Array) -> Array:
        return 2 / num_samples * (x_ND.T @ (2 * x_ND @ theta - y_NK - z_NE @ omega))

    def grad_omega(theta: Array, omega: Array) -> Array:
        return 2 / num_samples * (z_NE.T @ (z_NE @ omega - x_ND @ theta))

    return Objective(
        value=value,
        grad_theta=grad_theta,
        grad_omega=grad_omega,
        argmin_theta=lambda omega: _least_squares(x_ND, (y_NK + z_NE @ omega) / 2),
        argmin_omega=lambda theta: _least_squares(z_NE, x_ND @ theta),
        theta_smoothness=float(4 * np.linalg.norm(x_ND, 2) ** 2 / num_samples),
        smoothness=float(2 * np.linalg.norm(stacked, 2) ** 2 / num_samples),
    )


def _run(
    objective: Objective,
    theta: Array,
    omega: Array,
    advance: Callable[[Array, Array], tuple[Array, Array]],
) -> Iterator[Iterate]:
    step = 1
    while True:
        value = float(objective.value(theta, omega))
        if not math.isfinite(value):
            raise NonFiniteLossError(
                f"Q is {value} at step {step}. Take a smaller step size or a finite start."
            )
        yield Iterate(step=step, theta=theta, omega=omega, value=value)
        theta, omega = advance(theta, omega)
        step += 1


def _descend(variable: Array, gradient: Array, step_size: float, name: str) -> Array:
    if np.shape(gradient) != variable.shape:
        raise DataError(
            f"The gradient in {name} must have {name}'s shape {variable.shape}, "
            f"but has shape {np.shape(gradient)}."
        )
    return _frozen(variable - step_size * gradient)


def _frozen(values: npt.ArrayLike) -> Array:
    # A caller who wrote into a yielded array would otherwise change the dynamics.
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _needed(function: _Function | None, name: str) -> _Function:
    if function is None:
        raise ConfigError(f"This needs `{name}`, which the objective lacks. Give it to Objective.")
    return function


def _check_step_size(step_size: float, beta: float | None, enforce: bool) -> None:
    if not (math.isfinite(step_size) and step_size > 0):
        raise ConfigError(f"`step_size` must be positive and finite, but got {step_size}.")
    if enforce and beta is not None and step_size >= 1 / beta:
        raise ConfigError(
            f"`step_size` must be below 1 / beta = {1 / beta:.6g} (beta = {beta:.6g}), but got "
            f"{step_size:.6g}. Take a smaller one, or pass `enforce_step_size=False` to give up "
            "the guarantee."
        )


def _least_squares(matrix: Array, target: Array) -> Array:
    return np.asarray(np.linalg.lstsq(matrix, target)[0], dtype=np.float64)


def _matrix(name: str, given: npt.ArrayLike) -> Array:
    matrix = _frozen(given)
    if matrix.ndim != 2 or matrix.size == 0 or not np.isfinite(matrix).all():
        raise DataError(
            f"`{name}` must be a finite matrix with at least one row and one column, but has "
            f"shape {matrix.shape} and {np.count_nonzero(~np.isfinite(matrix))} entries that are "
            "not finite."
        )
    return matrix
