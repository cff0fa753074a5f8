"""A cluster that is gone while a sweep runs, and who can reach a Ray for one machine alone."""

import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    children,
    parents,
    run,
    start,
    wait_for_epochs,
)

EPOCHS = 80
ARGUMENTS = ("--seeds", "1", "--set", f"num_epochs={EPOCHS}", "--address", "local")


def processes_of(driver: int) -> list[psutil.Process]:
    """The driver and all that it started, Ray's workers too."""
    parent = psutil.Process(driver)
    return [parent, *parent.children(recursive=True)]


def assert_all_listen_on_loopback(processes: list[psutil.Process]) -> None:
    listening = [
        (process.name(), connection.laddr)
        for process in processes
        if process.is_running()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 3, "a Ray that runs listens on several ports"
    beyond = [one for one in listening if one[1].ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")]
    assert not beyond


@pytest.mark.slow
@pytest.mark.parametrize("part", ["raylet", "gcs_server"])
def test_a_lost_cluster_is_said_and_the_same_command_goes_on(part: str, tmp_path: Path) -> None:
    process = start("tests.sweep.tiny", "--output", tmp_path, *ARGUMENTS)
    wait_for_epochs(tmp_path, lambda: process.poll() is None, 1)
    all_of_them = processes_of(process.pid)
    assert_all_listen_on_loopback(all_of_them)
    (lost,) = (one for one in all_of_them if Path(one.exe()).name == part)
    lost.send_signal(signal.SIGKILL)
    begun = time.monotonic()
    text, _ = process.communicate(timeout=60)
    seconds = time.monotonic() - begun
    assert process.returncode == 1, text
    assert text.count("The Ray cluster is lost") == 1
    assert "failed:" not in text
    assert "Traceback" not in text
    assert seconds < 15
    _, alive = psutil.wait_procs(all_of_them, timeout=10)
    assert not alive
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    left = [*children(uri), *parents(uri)]
    assert {one.info.status for one in left} <= {"KILLED", "FINISHED"}
    assert any(one.info.status == "KILLED" for one in left)
    code, text = run("tests.sweep.tiny", "--output", tmp_path, *ARGUMENTS)
    assert code == 0, text
    assert_each_trial_once(children(uri), 3)
    assert_every_epoch_once(uri, children(uri), EPOCHS)
