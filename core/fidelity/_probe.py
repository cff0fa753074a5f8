"""One logistic regression for each attribute, all of them fitted at once.

Shape letters: N samples, D features, A attributes, E = D + 1 rows of weights, the last the bias.
"""

import numpy as np
import numpy.typing as npt

from core.fidelity._counts import Bools, Integers

_Floats = npt.NDArray[np.float64]
_Floats32 = npt.NDArray[np.float32]

STRENGTH = 0.01
"""scikit-learn's C, on standardised levels. For one trained network on `field_guide` the minival F1
was 0.862, 0.892, 0.894, 0.893 and 0.877 at 0.001, 0.01, 0.03, 0.1 and 1: of those that come to the
same, the one that is found soonest."""

_GRADIENT_TOLERANCE = 1e-4
_LOSS_TOLERANCE = 1e-8
_MAX_STEPS = 200


class Probes:
    """Logistic regressions on standardised levels, each cut where its F1 is best.

    The sum of the attributes' losses is minimised in one go, with scipy's L-BFGS: each is the loss
    of `sklearn.linear_model.LogisticRegression(C=STRENGTH)`. Features are turned to their principal
    axes and scaled by their curvature first, which changes no minimum and saves most of the steps.
    The cut is the logit with the best F1 on the samples fitted to, since at 1/2 rare attributes are
    never predicted.

    Every attribute must both occur and be absent in some sample.
    """

    def __init__(self, flags_NA: Bools, levels_ND: Integers) -> None:
        # The curvature of constant features is that of the penalty, so 1 spares a division by 0.
        self._mean_D = levels_ND.mean(axis=0)
        spread_D = levels_ND.std(axis=0)
        self._spread_D = np.where(spread_D > 0, spread_D, 1.0)
        x_ND = self._standardise(levels_ND)
        self._weights_EA = _fit(x_ND, flags_NA)
        self._cut_A = _best_cuts(self._logits(x_ND), flags_NA)

    def logits(self, levels_ND: Integers) -> _Floats:
        """(N, A) log odds."""
        return self._logits(self._standardise(levels_ND))

    def predict(self, levels_ND: Integers) -> Bools:
        """What the probes say of the attributes, (N, A)."""
        return np.asarray(self.logits(levels_ND) >= self._cut_A)

    def _standardise(self, levels_ND: Integers) -> _Floats:
        return np.asarray((levels_ND - self._mean_D) / self._spread_D)

    def _logits(self, x_ND: _Floats) -> _Floats:
        return np.asarray(x_ND @ self._weights_EA[:-1] + self._weights_EA[-1])


def _fit(x_ND: _Floats, flags_NA: Bools) -> _Floats:
    # Imported here: it takes a while, and fidelity alone does without.
    from scipy.optimize import minimize

    num_samples, num_features = x_ND.shape
    penalty = 1 / (STRENGTH * num_samples)
    variance_D, axes_DD = np.linalg.eigh(x_ND.T @ x_ND / num_samples)
    # Single precision halves the time; the axes' weights are far coarser than that.
    turned_ND = (x_ND @ axes_DD).astype(np.float32)
    truth_NA = flags_NA.astype(np.float32)

    prevalence_A = flags_NA.mean(axis=0)
    slope_A = prevalence_A * (1 - prevalence_A)
    scale_EA = np.ones((num_features + 1, flags_NA.shape[1]))
    scale_EA[:-1] /= np.sqrt(slope_A * np.maximum(variance_D, 0)[:, None] + penalty)
    scale_EA[-1] /= np.sqrt(slope_A)
    start_EA = np.zeros_like(scale_EA)
    start_EA[-1] = np.log(prevalence_A / (1 - prevalence_A))

    def loss_and_gradient(steps: _Floats) -> tuple[float, _Floats]:
        weights_EA = start_EA + steps.reshape(scale_EA.shape) * scale_EA
        loss, residual_NA = _loss_and_residual(turned_ND, truth_NA, weights_EA)
        gradient_EA = penalty * weights_EA
        gradient_EA[:-1] += turned_ND.T @ residual_NA
        gradient_EA[-1] = residual_NA.sum(axis=0)
        loss += penalty / 2 * float((weights_EA[:-1] ** 2).sum())
        return loss, (gradient_EA * scale_EA).ravel()

    found = minimize(
        loss_and_gradient,
        np.zeros(scale_EA.size),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MAX_STEPS, "gtol": _GRADIENT_TOLERANCE, "ftol": _LOSS_TOLERANCE},
    )
    weights_EA = start_EA + found.x.reshape(scale_EA.shape) * scale_EA
    weights_EA[:-1] = axes_DD @ weights_EA[:-1]
    return np.asarray(weights_EA)


def _loss_and_residual(
    x_ND: _Floats32, truth_NA: _Floats32, weights_EA: _Floats
) -> tuple[float, _Floats32]:
    """Mean log loss summed over the attributes, and its slope in each logit."""
    weights32_EA = weights_EA.astype(np.float32)
    logit_NA = x_ND @ weights32_EA[:-1] + weights32_EA[-1]
    small_NA = np.exp(-np.abs(logit_NA))
    losses_NA = np.maximum(logit_NA, 0) + np.log1p(small_NA) - truth_NA * logit_NA
    probability_NA = np.where(logit_NA >= 0, np.float32(1), small_NA) / (1 + small_NA)
    loss = float(losses_NA.sum(dtype=np.float64)) / len(x_ND)
    return loss, (probability_NA - truth_NA) / np.float32(len(x_ND))


def _best_cuts(logits_NA: _Floats, flags_NA: Bools) -> _Floats:
    """The smallest logit to be predicted present, with the best F1; the highest of equal ones."""
    order_NA = np.argsort(-logits_NA, axis=0, kind="stable")
    sorted_NA = np.take_along_axis(logits_NA, order_NA, axis=0)
    hits_NA = np.take_along_axis(flags_NA, order_NA, axis=0).cumsum(axis=0)
    predicted_N1 = np.arange(1, len(logits_NA) + 1)[:, None]
    f1_NA = 2 * hits_NA / (predicted_N1 + hits_NA[-1])
    # A cut cannot part samples of one logit.
    is_last_NA = np.ones_like(flags_NA)
    is_last_NA[:-1] = sorted_NA[1:] < sorted_NA[:-1]
    best_A = np.where(is_last_NA, f1_NA, -1.0).argmax(axis=0)
    return np.asarray(np.take_along_axis(sorted_NA, best_A[None], axis=0)[0])
