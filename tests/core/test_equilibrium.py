"""Props. 1 and 2: the inequalities of their proofs, their limits, and their step-size condition."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

from core.equilibrium import (
    Iterate,
    Objective,
    alternating_exact,
    block_coordinate_descent,
    equilibrium_gap,
    linear_intersection,
)
from core.errors import ConfigError, DataError, NonFiniteLossError

Array = npt.NDArray[np.float64]
Problem = tuple[Objective, Array, Array]

ROUNDING = 1e-12


def least_squares(seed: int) -> Problem:
    """Eq. 5 with T confined to three directions of G's own features."""
    generator = np.random.default_rng(seed)
    x_ND = generator.normal(size=(40, 5))
    z_NE = x_ND @ generator.normal(size=(5, 3)) / 2
    objective = linear_intersection(x_ND, generator.normal(size=(40, 2)), z_NE)
    return objective, generator.normal(size=(5, 2)), generator.normal(size=(3, 2))


def foreign_features(seed: int) -> Problem:
    """Eq. 5 with T on features that G does not have."""
    generator = np.random.default_rng(seed)
    objective = linear_intersection(
        generator.normal(size=(30, 4)),
        generator.normal(size=(30, 1)),
        generator.normal(size=(30, 6)),
    )
    return objective, generator.normal(size=(4, 1)), generator.normal(size=(6, 1))


def logistic(seed: int) -> Problem:
    """Mean log(1 + exp(-y x'theta)) + |theta - omega|^2 / 2 + |omega|^2 / 4: no quadratic."""
    generator = np.random.default_rng(seed)
    x_ND = generator.normal(size=(30, 4))
    signed_ND = x_ND * np.sign(x_ND @ generator.normal(size=4) + generator.normal(size=30))[:, None]
    num_samples = len(x_ND)

    def value(theta: Array, omega: Array) -> float:
        loss = np.logaddexp(0.0, -signed_ND @ theta).mean()
        return float(loss + np.sum((theta - omega) ** 2) / 2 + np.sum(omega**2) / 4)

    def grad_theta(theta: Array, omega: Array) -> Array:
        weights_N = 1 / (1 + np.exp(signed_ND @ theta))
        return np.asarray(-signed_ND.T @ weights_N / num_samples + theta - omega)

    def argmin_theta(omega: Array) -> Array:
        theta = omega.copy()
        for _ in range(30):  # Newton's method; the identity in the Hessian keeps it stable.
            weights_N = 1 / (1 + np.exp(signed_ND @ theta))
            curvature_N1 = (weights_N * (1 - weights_N) / num_samples)[:, None]
            hessian_DD = signed_ND.T @ (curvature_N1 * signed_ND) + np.eye(4)
            theta = theta - np.linalg.solve(hessian_DD, grad_theta(theta, omega))
        return theta

    # The logistic loss bends by at most 1/4; the coupling's Hessian is [[1, -1], [-1, 3/2]].
    loss_beta = np.linalg.norm(x_ND, 2) ** 2 / (4 * num_samples)
    objective = Objective(
        value=value,
        grad_theta=grad_theta,
        grad_omega=lambda theta, omega: 1.5 * omega - theta,
        argmin_theta=argmin_theta,
        argmin_omega=lambda theta: theta / 1.5,
        theta_smoothness=float(loss_beta + 1),
        smoothness=float(np.linalg.eigvalsh(np.array([[loss_beta + 1, -1.0], [-1.0, 1.5]]))[-1]),
    )
    return objective, generator.normal(size=4), generator.normal(size=4)


def exact_run(problem: Problem, fraction: float, count: int) -> tuple[float, float, list[Iterate]]:
    """(beta, mu, iterates) of Prop. 1 at mu = fraction / beta."""
    objective, theta, _ = problem
    assert objective.theta_smoothness is not None
    beta = objective.theta_smoothness
    dynamics = alternating_exact(objective, theta, step_size=fraction / beta)
    return beta, fraction / beta, list(itertools.islice(dynamics, count))


def block_run(problem: Problem, fraction: float, count: int) -> tuple[float, float, list[Iterate]]:
    """(beta, mu, iterates) of Prop. 2 at mu = fraction / beta."""
    objective, theta, omega = problem
    assert objective.smoothness is not None
    beta = objective.smoothness
    dynamics = block_coordinate_descent(objective, theta, omega, step_size=fraction / beta)
    return beta, fraction / beta, list(itertools.islice(dynamics, count))


def distance(first: Array, second: Array) -> float:
    return float(np.linalg.norm(first - second))


every_problem = pytest.mark.parametrize("build", [least_squares, foreign_features, logistic])
every_seed = pytest.mark.parametrize("seed", [0, 1, 2])
allowed_fractions = pytest.mark.parametrize("fraction", [0.3, 0.99])


@every_problem
@every_seed
class TestObjectives:
    """The problems are what they claim, or the tests below would prove nothing."""

    def test_gradients_match_finite_differences(
        self, build: Callable[[int], Problem], seed: int
    ) -> None:
        objective, theta, omega = build(seed)
        assert objective.grad_omega is not None
        generator = np.random.default_rng(seed)
        along_theta, along_omega = (generator.normal(size=v.shape) for v in (theta, omega))
        h = 1e-5
        slope = (
            objective.value(theta + h * along_theta, omega + h * along_omega)
            - objective.value(theta - h * along_theta, omega - h * along_omega)
        ) / (2 * h)
        expected = np.sum(objective.grad_theta(theta, omega) * along_theta) + np.sum(
            objective.grad_omega(theta, omega) * along_omega
        )
        assert slope == pytest.approx(expected, rel=1e-7, abs=1e-8)

    def test_minimizers_are_where_the_gradient_is_zero(
        self, build: Callable[[int], Problem], seed: int
    ) -> None:
        objective, theta, omega = build(seed)
        assert objective.argmin_theta is not None
        assert objective.argmin_omega is not None
        assert objective.grad_omega is not None
        at_theta = objective.grad_theta(objective.argmin_theta(omega), omega)
        at_omega = objective.grad_omega(theta, objective.argmin_omega(theta))
        np.testing.assert_allclose(at_theta, 0, atol=1e-12)
        np.testing.assert_allclose(at_omega, 0, atol=1e-12)

    def test_gradients_are_beta_lipschitz(self, build: Callable[[int], Problem], seed: int) -> None:
        objective, theta, omega = build(seed)
        assert objective.grad_omega is not None
        assert objective.theta_smoothness is not None
        assert objective.smoothness is not None
        generator = np.random.default_rng(seed)
        for _ in range(20):
            other_theta, other_omega = (generator.normal(size=v.shape) for v in (theta, omega))
            in_theta = objective.grad_theta(theta, omega) - objective.grad_theta(other_theta, omega)
            allowed = objective.theta_smoothness * distance(theta, other_theta)
            assert np.linalg.norm(in_theta) <= allowed * (1 + ROUNDING)
            in_both = np.concatenate(
                [
                    (gradient(theta, omega) - gradient(other_theta, other_omega)).ravel()
                    for gradient in (objective.grad_theta, objective.grad_omega)
                ]
            )
            moved = math.hypot(distance(theta, other_theta), distance(omega, other_omega))
            assert np.linalg.norm(in_both) <= objective.smoothness * moved * (1 + ROUNDING)


@every_problem
@every_seed
@allowed_fractions
class TestProposition1:
    def test_the_three_limits_meet(
        self, build: Callable[[int], Problem], seed: int, fraction: float
    ) -> None:
        problem = build(seed)
        _, _, iterates = exact_run(problem, fraction, 600)
        start, end = (equilibrium_gap(problem[0], iterate) for iterate in iterates[:: 600 - 1])
        assert start.theta > 1e-2
        assert end.theta == pytest.approx(0, abs=1e-9)
        assert all(
            equilibrium_gap(problem[0], iterate).omega == pytest.approx(0, abs=ROUNDING)
            for iterate in iterates[::50]
        )

    def test_the_inequalities_of_the_proof_hold_at_every_step(
        self, build: Callable[[int], Problem], seed: int, fraction: float
    ) -> None:
        problem = build(seed)
        objective = problem[0]
        assert objective.argmin_theta is not None
        beta, mu, iterates = exact_run(problem, fraction, 60)
        eta = mu * (1 - 0.5 * beta * mu)
        assert eta > 0
        for before, after in itertools.pairwise(iterates):
            between = objective.value(after.theta, before.omega)
            gradient = objective.grad_theta(before.theta, before.omega)
            assert after.value <= between + ROUNDING  # Eq. 8
            assert between <= before.value - eta * np.sum(gradient**2) + ROUNDING  # Eq. 9
            assert after.value <= before.value + ROUNDING
            # Eq. 12. Its distance must be that of theta_{t-1}, where convexity is applied.
            best_theta = objective.argmin_theta(before.omega)
            gap = before.value - objective.value(best_theta, before.omega)
            squared_distance = distance(before.theta, best_theta) ** 2
            decrease = before.value - after.value
            assert decrease * squared_distance >= eta * gap**2 - ROUNDING


@every_problem
@every_seed
@allowed_fractions
class TestProposition2:
    def test_converges_to_an_equilibrium(
        self, build: Callable[[int], Problem], seed: int, fraction: float
    ) -> None:
        problem = build(seed)
        _, _, iterates = block_run(problem, fraction, 2500)
        start, end = (equilibrium_gap(problem[0], iterate) for iterate in iterates[:: 2500 - 1])
        assert min(start.theta, start.omega) > 1e-2
        assert end.theta == pytest.approx(0, abs=1e-7)
        assert end.omega == pytest.approx(0, abs=1e-7)

    def test_the_inequalities_of_the_proof_hold_at_every_step(
        self, build: Callable[[int], Problem], seed: int, fraction: float
    ) -> None:
        problem = build(seed)
        objective = problem[0]
        assert objective.grad_omega is not None
        assert objective.argmin_theta is not None
        assert objective.argmin_omega is not None
        beta, mu, iterates = block_run(problem, fraction, 60)
        eta = mu * (1 - 0.5 * beta * mu)
        for before, after in itertools.pairwise(iterates):
            between = objective.value(after.theta, before.omega)
            in_theta = np.sum(objective.grad_theta(before.theta, before.omega) ** 2)
            in_omega = np.sum(objective.grad_omega(after.theta, before.omega) ** 2)
            assert between <= before.value - eta * in_theta + ROUNDING  # Eq. 13
            assert after.value <= between - eta * in_omega + ROUNDING
            # Eqs. 15 and 16, multiplied by their distances.
            best_theta = objective.argmin_theta(before.omega)
            best_omega = objective.argmin_omega(after.theta)
            theta_gap = before.value - objective.value(best_theta, before.omega)
            omega_gap = between - objective.value(after.theta, best_omega)
            theta_distance = distance(before.theta, best_theta) ** 2
            omega_distance = distance(before.omega, best_omega) ** 2
            assert (before.value - between) * theta_distance >= eta * theta_gap**2 - ROUNDING
            assert (between - after.value) * omega_distance >= eta * omega_gap**2 - ROUNDING


@pytest.mark.parametrize("build", [least_squares, foreign_features])
def test_both_dynamics_reach_the_global_minimum_of_a_jointly_convex_problem(
    build: Callable[[int], Problem],
) -> None:
    objective, theta, omega = problem = build(5)
    # An oracle that knows nothing of blocks: Q's gradient is affine, so its Hessian's columns
    # are differences of gradients, and the minimum solves one linear system.
    assert objective.grad_omega is not None
    size = theta.size

    def gradient(point: Array) -> Array:
        at = point[:size].reshape(theta.shape), point[size:].reshape(omega.shape)
        assert objective.grad_omega is not None
        return np.concatenate(
            [objective.grad_theta(*at).ravel(), objective.grad_omega(*at).ravel()]
        )

    offset = gradient(np.zeros(size + omega.size))
    hessian = np.stack([gradient(row) - offset for row in np.eye(size + omega.size)], axis=1)
    point = np.asarray(np.linalg.lstsq(hessian, -offset)[0], dtype=np.float64).ravel()
    minimum = objective.value(point[:size].reshape(theta.shape), point[size:].reshape(omega.shape))
    _, _, exact = exact_run(problem, 0.9, 600)
    _, _, block = block_run(problem, 0.9, 2500)
    assert exact[-1].value == pytest.approx(minimum, abs=1e-9)
    assert block[-1].value == pytest.approx(minimum, abs=1e-7)
    # The betas are exact, not bounds: they are the largest curvatures.
    assert np.linalg.eigvalsh(hessian)[-1] == pytest.approx(objective.smoothness)
    assert np.linalg.eigvalsh(hessian[:size, :size])[-1] == pytest.approx(
        objective.theta_smoothness
    )


class TestStrictSaddle:
    """Q = |theta omega' - M|^2 / 2 + eps (|theta|^2 + |omega|^2) / 2.

    Convex in each variable, not in both. The origin is an equilibrium and a strict saddle; the
    minima have value (|M|^2 - (sigma_1 - eps)^2) / 2.
    """

    EPSILON = 0.1

    def problem(self) -> tuple[Objective, float]:
        matrix_DE = np.random.default_rng(0).normal(size=(4, 3))

        def value(theta: Array, omega: Array) -> float:
            miss = np.sum((np.outer(theta, omega) - matrix_DE) ** 2)
            return float(miss + self.EPSILON * (theta @ theta + omega @ omega)) / 2

        objective = Objective(
            value=value,
            grad_theta=lambda theta, omega: (
                (np.outer(theta, omega) - matrix_DE) @ omega + self.EPSILON * theta
            ),
            grad_omega=lambda theta, omega: (
                (np.outer(theta, omega) - matrix_DE).T @ theta + self.EPSILON * omega
            ),
            argmin_theta=lambda omega: matrix_DE @ omega / (omega @ omega + self.EPSILON),
            argmin_omega=lambda theta: matrix_DE.T @ theta / (theta @ theta + self.EPSILON),
        )
        largest = np.linalg.norm(matrix_DE, 2)
        minimum = (np.sum(matrix_DE**2) - (largest - self.EPSILON) ** 2) / 2
        return objective, float(minimum)

    def test_the_saddle_is_an_equilibrium_but_is_left(self) -> None:
        objective, minimum = self.problem()
        at_saddle = next(
            block_coordinate_descent(objective, np.zeros(4), np.zeros(3), step_size=0.02)
        )
        gap = equilibrium_gap(objective, at_saddle)
        assert gap.theta == gap.omega == 0
        assert at_saddle.value > minimum + 1

        generator = np.random.default_rng(1)
        near = 1e-6 * generator.normal(size=(4,)), 1e-6 * generator.normal(size=(3,))
        iterates = list(
            itertools.islice(block_coordinate_descent(objective, *near, step_size=0.02), 4000)
        )
        values = np.array([iterate.value for iterate in iterates])
        assert (np.diff(values) <= ROUNDING).all()
        assert values[-1] == pytest.approx(minimum, abs=1e-9)
        end = equilibrium_gap(objective, iterates[-1])
        assert end.theta == pytest.approx(0, abs=1e-9)
        assert end.omega == pytest.approx(0, abs=1e-9)


class TestHandWorkedSteps:
    """Q = (theta - 1)^2 + (theta - omega)^2 from theta_1 = 0, mu = 0.1."""

    objective = linear_intersection([[1.0]], [[1.0]], [[1.0]])

    def test_smoothness(self) -> None:
        assert self.objective.theta_smoothness == pytest.approx(4)
        assert self.objective.smoothness == pytest.approx(3 + math.sqrt(5))

    def test_exact_omega(self) -> None:
        # omega_1 = 0; grad = 2 (2 * 0 - 1 - 0) = -2, theta_2 = 0.2 = omega_2, Q = 0.64;
        # grad = 2 (0.4 - 1 - 0.2) = -1.6, theta_3 = 0.36.
        dynamics = alternating_exact(self.objective, [[0.0]], step_size=0.1)
        steps = list(itertools.islice(dynamics, 3))
        assert [iterate.step for iterate in steps] == [1, 2, 3]
        assert [iterate.theta.item() for iterate in steps] == pytest.approx([0, 0.2, 0.36])
        assert [iterate.omega.item() for iterate in steps] == pytest.approx([0, 0.2, 0.36])
        assert [iterate.value for iterate in steps] == pytest.approx([1, 0.64, 0.4096])

    def test_block_coordinate_descent(self) -> None:
        # theta_2 = 0.2; grad_omega Q(theta_2, 0) = -0.4, omega_2 = 0.04.
        # grad_theta = 2 (0.4 - 1 - 0.04) = -1.28, theta_3 = 0.328;
        # grad_omega = 2 (0.04 - 0.328) = -0.576, omega_3 = 0.0976.
        dynamics = block_coordinate_descent(self.objective, [[0.0]], [[0.0]], step_size=0.1)
        steps = list(itertools.islice(dynamics, 3))
        assert [iterate.theta.item() for iterate in steps] == pytest.approx([0, 0.2, 0.328])
        assert [iterate.omega.item() for iterate in steps] == pytest.approx([0, 0.04, 0.0976])
        assert steps[1].value == pytest.approx(0.8**2 + 0.16**2)

    def test_gaps(self) -> None:
        # At (0, 1/2): Q = 5/4; min over theta at 3/4 is 1/8; min over omega at 0 is 1.
        iterate = next(block_coordinate_descent(self.objective, [[0.0]], [[0.5]], step_size=0.1))
        gap = equilibrium_gap(self.objective, iterate)
        assert gap.theta == pytest.approx(9 / 8)
        assert gap.omega == pytest.approx(1 / 4)


class TestStepSizeCondition:
    # T's features are orthogonal to G's: omega cannot soften the curvature in theta, so that
    # theta's map multiplies the error by 1 - mu * beta, and 2 / beta is the exact border.
    objective = linear_intersection(
        [[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [[1.0], [1.0], [0.0]], [[0.0], [0.0], [1.0]]
    )
    theta = ((3.0,), (-2.0,))
    omega = ((1.0,),)

    def run(self, dynamics: str, fraction: float) -> Iterator[Iterate]:
        """Dynamics at mu = fraction / beta, unchecked."""
        assert self.objective.theta_smoothness is not None
        assert self.objective.smoothness is not None
        if dynamics == "exact":
            return alternating_exact(
                self.objective,
                self.theta,
                step_size=fraction / self.objective.theta_smoothness,
                enforce_step_size=False,
            )
        return block_coordinate_descent(
            self.objective,
            self.theta,
            self.omega,
            step_size=fraction / self.objective.smoothness,
            enforce_step_size=False,
        )

    @pytest.mark.parametrize("dynamics", ["exact", "block"])
    def test_diverges_above_two_over_beta_and_converges_below(self, dynamics: str) -> None:
        above = [iterate.value for iterate in itertools.islice(self.run(dynamics, 2.05), 200)]
        below = [iterate.value for iterate in itertools.islice(self.run(dynamics, 1.95), 400)]
        assert above[-1] > 1e6 * above[0]
        assert above[-1] > above[-2]
        # theta_1 = 1/4, theta_2 = 1/2, omega = 0: (2 * 1/4 + 2 * 1/4) / 3.
        assert below[-1] == pytest.approx(1 / 3, abs=1e-9)

    @pytest.mark.parametrize("dynamics", ["exact", "block"])
    def test_divergence_ends_in_an_error_not_in_nan(self, dynamics: str) -> None:
        with (
            np.errstate(over="ignore", invalid="ignore"),
            pytest.raises(NonFiniteLossError, match="Take a smaller step size"),
        ):
            for _ in itertools.islice(self.run(dynamics, 10.0), 1000):
                pass

    @pytest.mark.parametrize("fraction", [1.0, 1.5, 10.0])
    def test_refused_at_the_call_from_one_over_beta_on(self, fraction: float) -> None:
        assert self.objective.theta_smoothness is not None
        step_size = fraction / self.objective.theta_smoothness
        with pytest.raises(ConfigError, match=r"below 1 / beta = 0\.1875 \(beta = 5\.33333\)"):
            alternating_exact(self.objective, self.theta, step_size=step_size)
        with pytest.raises(ConfigError, match="enforce_step_size=False"):
            block_coordinate_descent(self.objective, self.theta, self.omega, step_size=step_size)

    def test_each_proposition_has_its_own_beta(self) -> None:
        objective = TestHandWorkedSteps.objective
        step_size = 0.22  # 1 / 5.236 < 0.22 < 1 / 4
        next(alternating_exact(objective, [[0.0]], step_size=step_size))
        with pytest.raises(ConfigError, match=r"beta = 5\.236"):
            block_coordinate_descent(objective, [[0.0]], [[0.0]], step_size=step_size)

    def test_joint_smoothness_stands_in_for_that_in_theta(self) -> None:
        whole = self.objective
        objective = Objective(
            value=whole.value,
            grad_theta=whole.grad_theta,
            argmin_omega=whole.argmin_omega,
            smoothness=2.0,
        )
        with pytest.raises(ConfigError, match="beta = 2"):
            alternating_exact(objective, self.theta, step_size=0.5)
        next(alternating_exact(objective, self.theta, step_size=0.49))

    def test_without_a_known_beta_any_positive_step_size_is_taken(self) -> None:
        whole = self.objective
        objective = Objective(
            value=whole.value, grad_theta=whole.grad_theta, argmin_omega=whole.argmin_omega
        )
        next(alternating_exact(objective, self.theta, step_size=100.0))

    @pytest.mark.parametrize("step_size", [0.0, -0.1, math.nan, math.inf])
    @pytest.mark.parametrize("enforce", [True, False])
    def test_step_sizes_that_are_none(self, step_size: float, enforce: bool) -> None:
        with pytest.raises(ConfigError, match="positive and finite"):
            alternating_exact(
                self.objective, self.theta, step_size=step_size, enforce_step_size=enforce
            )


class TestBadInput:
    whole = TestHandWorkedSteps.objective
    bare = Objective(value=whole.value, grad_theta=whole.grad_theta)

    def test_missing_functions_are_named_at_the_call(self) -> None:
        with pytest.raises(ConfigError, match="`argmin_omega`"):
            alternating_exact(self.bare, [[0.0]], step_size=0.1)
        with pytest.raises(ConfigError, match="`grad_omega`"):
            block_coordinate_descent(self.bare, [[0.0]], [[0.0]], step_size=0.1)
        iterate = next(alternating_exact(self.whole, [[0.0]], step_size=0.1))
        with pytest.raises(ConfigError, match="`argmin_theta`"):
            equilibrium_gap(self.bare, iterate)

    def test_a_gradient_of_another_shape_is_refused_not_broadcast(self) -> None:
        objective = Objective(
            value=lambda theta, omega: 0.0,
            grad_theta=lambda theta, omega: np.ones(1),
            argmin_omega=lambda theta: theta,
        )
        dynamics = alternating_exact(objective, [1.0, 2.0], step_size=0.1)
        next(dynamics)
        with pytest.raises(DataError, match=r"shape \(2,\), but has shape \(1,\)"):
            next(dynamics)

    @pytest.mark.parametrize("beta", [0.0, -1.0, math.inf, math.nan])
    def test_smoothness_must_be_positive(self, beta: float) -> None:
        with pytest.raises(ConfigError, match="`smoothness` must be positive and finite"):
            dataclasses.replace(self.bare, smoothness=beta)
        with pytest.raises(ConfigError, match="`theta_smoothness` must be positive and finite"):
            dataclasses.replace(self.bare, theta_smoothness=beta)

    @pytest.mark.parametrize(
        ("x_ND", "y_NK", "z_NE", "message"),
        [
            ([[1.0]], [[1.0], [2.0]], [[1.0]], "1, 2 and 1 rows"),
            ([1.0], [[1.0]], [[1.0]], r"`x_ND` must be a finite matrix .* shape \(1,\)"),
            ([[1.0]], [[math.nan]], [[1.0]], "`y_NK` .* 1 entries that are not finite"),
            ([[1.0]], [[1.0]], [[]], r"`z_NE` .* shape \(1, 0\)"),
            ([[0.0]], [[1.0]], [[1.0]], "nonzero entry"),
        ],
    )
    def test_linear_intersection(
        self, x_ND: npt.ArrayLike, y_NK: npt.ArrayLike, z_NE: npt.ArrayLike, message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            linear_intersection(x_ND, y_NK, z_NE)

    def test_iterates_are_read_only_and_the_start_is_left_alone(self) -> None:
        start = np.array([[0.0]])
        iterate = next(alternating_exact(self.whole, start, step_size=0.1))
        for array in (iterate.theta, iterate.omega):
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 5.0
        start[:] = 7.0
        assert iterate.theta.item() == 0.0
