"""When a search ends."""

import datetime

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from sweep.engine.budget import TRAIN_SECONDS, Budget, Meter
from sweep.errors import SweepError


def study_of(*values: float | None, direction: str = "maximize") -> optuna.Study:
    """A trial a second, which trained for half an hour; None is one that failed."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=direction)
    for number, value in enumerate(values):
        trial = create_trial(
            state=TrialState.FAIL if value is None else TrialState.COMPLETE,
            value=value,
            params={"x": number / 100},
            distributions={"x": FloatDistribution(0, 1)},
            user_attrs={TRAIN_SECONDS: 1800.0},
        )
        trial.datetime_complete = datetime.datetime(2026, 1, 1, second=number)
        study.add_trial(trial)
    return study


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def reached(study: optuna.Study, budget: Budget, *, num_open: int = 0) -> str | None:
    meter = Meter(study, budget, cpus=2.0, gpus=0.5, unit=100.0)
    return meter.reached(num_open=num_open)


def test_trials_count_that_failed_and_that_run() -> None:
    study = study_of(0.5, None, 0.7)
    assert reached(study, Budget(num_trials=3)) == "3 trials"
    assert reached(study, Budget(num_trials=4)) is None
    assert reached(study, Budget(num_trials=4), num_open=1) == "4 trials"


def test_hours_are_of_training_times_what_a_trial_holds() -> None:
    study = study_of(0.5, 0.6, 0.7, 0.8)  # two hours of training
    assert reached(study, Budget(cpu_hours=4)) == "4 CPU hours of training"
    assert reached(study, Budget(cpu_hours=4.1)) is None
    assert reached(study, Budget(gpu_hours=1)) == "1 GPU hours of training"
    assert reached(study, Budget(gpu_hours=1.1)) is None


def test_wall_time_goes_on_where_the_driver_before_left_it() -> None:
    study, clock = study_of(), Clock()
    budget = Budget(hours=1)

    def meter() -> Meter:
        return Meter(study, budget, cpus=1, gpus=0, unit=1, clock=clock)

    first = meter()
    clock.seconds = 3000
    assert first.reached(num_open=0) is None
    first.keep()
    clock.seconds = 10_000  # nobody drove meanwhile
    second = meter()
    assert second.reached(num_open=0) is None
    clock.seconds = 10_600
    assert second.reached(num_open=0) == "1 hours"
    second.keep()
    assert meter().reached(num_open=0) == "1 hours"


def test_a_target_is_in_percent_and_has_the_objectives_direction() -> None:
    assert reached(study_of(0.5, 0.91, 0.7), Budget(target=91)) == "the target of 91"
    assert reached(study_of(0.5, 0.90, 0.7), Budget(target=91)) is None
    assert reached(study_of(0.5, 0.3, direction="minimize"), Budget(target=30)) is not None
    assert reached(study_of(0.5, 0.3, direction="minimize"), Budget(target=29)) is None
    assert reached(study_of(None), Budget(target=0)) is None


def test_patience_counts_from_the_first_of_the_best() -> None:
    study = study_of(0.5, 0.9, 0.9, None, 0.8)
    assert reached(study, Budget(patience=2)) == "2 trials without a better one"
    assert reached(study, Budget(patience=3)) is None
    assert reached(study_of(0.5), Budget(patience=1)) is None


def test_no_bound_at_all_is_refused() -> None:
    with pytest.raises(SweepError, match="needs a budget"):
        Budget().check(num_objectives=1, gpus_per_trial=0)
