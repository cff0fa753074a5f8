"""When a search has had enough: whichever of its budgets is reached first."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import SweepError

_HOURS = "driver_hours"
"""User attribute of a study: wall time of the drivers before this one."""

TRAIN_SECONDS = "train_seconds"
"""User attribute of a trial: what its epochs took, over all its seeds."""

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Bounds of a study, over all runs of its command. What is None bounds nothing."""

    num_trials: int | None = None
    """Trials that have ended, pruned and failed ones among them."""

    hours: float | None = None
    """Wall time of the drivers."""

    cpu_hours: float | None = None
    gpu_hours: float | None = None
    """Of training: a trial's seconds times what it was given."""

    target: float | None = None
    """Value of the objective that is good enough, in percent where it is a share."""

    patience: int | None = None
    """Complete trials in a row without a better value."""

    def check(self, *, num_objectives: int, gpus_per_trial: float) -> None:
        """Refuse bounds that cannot be told.

        Raises
        ------
        SweepError
            In one line.
        """
        bounds = (self.num_trials, self.hours, self.cpu_hours, self.gpu_hours, self.target)
        if all(bound is None for bound in bounds) and self.patience is None:
            raise SweepError(
                "A search needs a budget: --num-trials, --hours, --cpu-hours, --gpu-hours, "
                "--target or --patience."
            )
        of_one = self.target is not None or self.patience is not None
        if of_one and num_objectives > 1:
            raise SweepError(
                f"--target and --patience compare one objective, but {num_objectives} are given."
            )
        if self.gpu_hours is not None and not gpus_per_trial:
            raise SweepError("--gpu-hours without a GPU: give --gpus-per-trial, or --cpu-hours.")


class Meter:
    """Tells when a budget is reached.

    Trials that run then are finished and told; none is begun.

    Parameters
    ----------
    study
        Whose trials count.
    budget
        Its bounds.
    cpus, gpus
        Of a trial.
    unit
        What one of the objective's units is of `budget.target`'s: 100 for a share.
    clock
        Seconds, for tests.
    """

    def __init__(
        self,
        study: optuna.Study,
        budget: Budget,
        *,
        cpus: float,
        gpus: float,
        unit: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._study = study
        self._budget = budget
        self._cpus = cpus
        self._gpus = gpus
        self._unit = unit
        self._clock = clock
        self._start = clock()
        self._before = float(study.user_attrs.get(_HOURS, 0.0))

    def reached(self, *, num_open: int) -> str | None:
        """The bound that is reached, in words; None if another trial may begin.

        Parameters
        ----------
        num_open
            Trials that have begun and not ended.
        """
        budget = self._budget
        # Trials are copied only where they are looked at: a study may have ten thousand.
        trials = self._study.get_trials(deepcopy=False, states=ENDED)
        if budget.num_trials is not None and len(trials) + num_open >= budget.num_trials:
            return f"{budget.num_trials} trials"
        if budget.hours is not None and self._hours() >= budget.hours:
            return f"{budget.hours:g} hours"
        trained = sum(trial.user_attrs.get(TRAIN_SECONDS, 0.0) for trial in trials) / 3600
        if budget.cpu_hours is not None and trained * self._cpus >= budget.cpu_hours:
            return f"{budget.cpu_hours:g} CPU hours of training"
        if budget.gpu_hours is not None and trained * self._gpus >= budget.gpu_hours:
            return f"{budget.gpu_hours:g} GPU hours of training"
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        if not complete:
            return None
        if budget.target is not None and self._is_good(self._best_of(complete)):
            return f"the target of {budget.target:g}"
        if budget.patience is not None and self._since_best(complete) >= budget.patience:
            return f"{budget.patience} trials without a better one"
        return None

    def keep(self) -> None:
        """Write the wall time so far into the study, for the next driver."""
        self._study.set_user_attr(_HOURS, self._hours())

    def _hours(self) -> float:
        return self._before + (self._clock() - self._start) / 3600

    @property
    def _is_maximized(self) -> bool:
        return self._study.direction == optuna.study.StudyDirection.MAXIMIZE

    def _best_of(self, complete: list[FrozenTrial]) -> float:
        values = [float(trial.values[0]) for trial in complete]
        return max(values) if self._is_maximized else min(values)

    def _is_good(self, value: float) -> bool:
        target = self._budget.target
        if target is None:
            return False
        return value * self._unit >= target if self._is_maximized else value * self._unit <= target

    def _since_best(self, complete: list[FrozenTrial]) -> int:
        by_end = sorted(complete, key=lambda trial: (trial.datetime_complete, trial.number))
        best = self._best_of(complete)
        first = next(index for index, trial in enumerate(by_end) if trial.values[0] == best)
        return len(by_end) - 1 - first
