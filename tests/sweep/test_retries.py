"""`--retries` is for what may go well another time: lost processes, not errors that come again."""

import functools
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import RayActorError, RayTaskError

from core.errors import DataError, NonFiniteLossError
from sweep.cli import main
from sweep.engine.callback import SweepCallback
from sweep.engine.failures import causes, happens_again, in_one_line
from tests.sweep import failing
from tests.sweep.command import call


class GroupError(Exception):
    """As Train tells of a worker group, by rank."""

    def __init__(self, failures: dict[int, Exception]) -> None:
        super().__init__("the group failed")
        self.worker_failures = failures


def in_task(cause: Exception) -> RayTaskError:
    return RayTaskError("step", "Traceback ...", cause)


def test_an_error_is_found_under_its_wrappers() -> None:
    inner = NonFiniteLossError("Loss is nan:\nlower the step size.")
    wrapped = in_task(GroupError({0: ConnectionError("peer"), 1: in_task(inner)}))
    assert [type(cause) for cause in causes(wrapped)] == [ConnectionError, NonFiniteLossError]
    assert in_one_line(wrapped) == "NonFiniteLossError: lower the step size."
    assert in_one_line(None).startswith("the trial's process ended")


def test_what_is_raised_on_purpose_is_told_whatever_it_was_raised_from() -> None:
    error = DataError("The folder 'x' is not there: pack it.")
    error.__cause__ = OSError("no such file")
    assert in_one_line(in_task(error)) == "DataError: The folder 'x' is not there: pack it."
    assert happens_again(in_task(error))


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (in_task(DataError("x")), True),
        (in_task(GroupError({0: OSError("gone"), 1: DataError("x")})), True),
        (in_task(OSError("the storage does not answer")), False),
        (in_task(GroupError({0: RuntimeError("peer"), 1: RayActorError()})), False),
        (RayActorError(), False),
        (None, False),
    ],
)
def test_what_would_come_again(error: Exception | None, again: bool) -> None:
    assert happens_again(error) == again


@pytest.mark.parametrize("executor", ["actor", pytest.param("train", marks=pytest.mark.slow)])
def test_a_loss_that_is_not_finite_is_not_tried_again(
    executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although three retries are given. Started is whatever Tune says it starts."""
    started = []
    on_trial_start = SweepCallback.on_trial_start

    def counting(self: SweepCallback, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        started.append(trial.config["learning_rate"] if trial.config else None)
        on_trial_start(self, iteration, trials, trial, **info)

    monkeypatch.setattr(SweepCallback, "on_trial_start", counting)
    code, text = call(
        functools.partial(main, failing.EXPERIMENT),
        *("--output", tmp_path, "--seeds", "1", "--retries", "3", "--executor", executor),
    )
    assert code == 1
    assert text.count("failed: ") == 1
    assert "NonFiniteLossError" in text
    assert started.count(1e30) == 1
