"""`sweep.status` and `sweep.cancel`, beside a sweep that runs and without one."""

from pathlib import Path

import pytest

from core.config import TrainConfig
from sweep import cancel, status
from sweep.spec import SweepSpec, grid
from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    call,
    children,
    parents,
    run,
    start,
    wait_for_epochs,
)
from tests.sweep.results import store_sweep

EPOCHS = 60
ARGUMENTS = ("--seeds", "1", "--set", f"num_epochs={EPOCHS}", "--address", "local")


def test_a_sweep_without_a_driver_is_described_and_cannot_be_stopped(tmp_path: Path) -> None:
    spec = SweepSpec(
        name="tiny",
        title="A title",
        base=TrainConfig(),
        arms=grid(mask_probability=(0.2, 0.7)),
        seeds=(0, 1),
    )
    failing = [spec.trials()[0].arm]
    store_sweep(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path, spec, failing=failing)
    code, text = call(status.main, "--output", tmp_path)
    assert code == 0
    assert f"tiny  {spec.sweep_id('f' * 64)}  A title: finished" in text
    assert "2 of 4 done · 0 running · 2 failed · 0 waiting" in text
    assert text.count("loss is nan") == 2
    assert "driver" not in text
    assert call(status.main, "tiny", "--output", tmp_path) == (code, text)
    code, text = call(cancel.main, "tiny", "--output", tmp_path)
    assert (code, text.count("\n")) == (2, 1)
    assert "Nobody drives 'tiny'" in text


def test_a_cluster_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    code, text = call(status.main, "--output", tmp_path, "--address", "127.0.0.1:1")
    assert (code, text.count("\n")) == (2, 1)
    assert "No Ray cluster answers at '127.0.0.1:1'" in text


@pytest.mark.parametrize("program", [status.main, cancel.main])
def test_an_unknown_sweep_or_store_is_refused_in_one_line(program: object, tmp_path: Path) -> None:
    code, text = call(program, "tiny", "--output", tmp_path)  # type: ignore[arg-type]
    assert (code, text.count("\n")) == (2, 1)
    assert text.startswith("error: ")
    spec = SweepSpec(
        name="tiny", title="t", base=TrainConfig(), arms=grid(num_bits=(2,)), seeds=(0,)
    )
    store_sweep(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path, spec)
    code, text = call(program, "tny", "--output", tmp_path)  # type: ignore[arg-type]
    assert (code, text.count("\n")) == (2, 1)
    assert "It holds: tiny" in text


@pytest.mark.slow
def test_a_sweep_that_runs_is_described_stopped_and_goes_on(tmp_path: Path) -> None:
    process = start("tests.sweep.tiny", "--output", tmp_path, *ARGUMENTS, "--max-concurrent", "1")
    wait_for_epochs(tmp_path, lambda: process.poll() is None, 1)
    code, text = call(status.main, "--output", tmp_path)
    assert code == 0
    assert ": running\n" in text
    assert "1 running" in text
    assert f"driver: process {process.pid} on " in text
    code, text = call(cancel.main, "tiny", "--output", tmp_path)
    assert code == 0, text
    assert text.endswith("goes on with what is left.\n")
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "Cancelled by `python -m sweep.cancel`" in said
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert not [one for one in (*children(uri), *parents(uri)) if one.info.status == "RUNNING"]
    code, text = run("tests.sweep.tiny", "--output", tmp_path, *ARGUMENTS)
    assert code == 0, text
    assert_each_trial_once(children(uri), 3)
    assert_every_epoch_once(uri, children(uri), EPOCHS)
    code, text = call(status.main, "--output", tmp_path)
    assert "3 of 3 done" in text
    assert "driver" not in text
