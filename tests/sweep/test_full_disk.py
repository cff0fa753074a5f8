"""A disk that is full while a sweep runs, and has room again later."""

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.tracking.connect import first_line
from tests.small_disk import CannotMountError, fill, small_disk
from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    children,
    run,
    start,
    wait_for_epochs,
)

EPOCHS = 60


def test_an_error_of_a_database_is_said_in_its_own_words() -> None:
    error = RuntimeError(
        "(raised as a result of Query-invoked autoflush)\n"
        "(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT ...]"
    )
    assert first_line(error) == "database or disk is full"
    assert first_line(RuntimeError("one\ntwo")) == "one"
    assert first_line(RuntimeError()) == "RuntimeError"


@pytest.fixture
def disk() -> Iterator[Path]:
    """One of 6 MB."""
    try:
        with small_disk(6) as folder:
            yield folder
    except CannotMountError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_a_full_disk_is_said_in_a_line_and_the_same_command_goes_on(
    disk: Path, tmp_path: Path
) -> None:
    output = disk / "runs"
    arguments = (
        *("--output", output, "--storage", tmp_path / "trials", "--seeds", "1"),
        *("--set", f"num_epochs={EPOCHS}", "--address", "local"),
    )
    process = start("tests.sweep.tiny", *arguments, "--max-concurrent", "1")
    wait_for_epochs(output, lambda: process.poll() is None, 1)
    filling = disk / "filling"
    fill(filling)
    time.sleep(8)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    text, _ = process.communicate(timeout=60)
    assert time.monotonic() - begun < 25
    assert process.returncode == 130, text
    assert "writes wait (database or disk is full)" in text
    assert "Traceback" not in text
    assert len(text.splitlines()) < 40
    filling.unlink()
    code, text = run("tests.sweep.tiny", *arguments)
    assert code == 0, text
    uri = f"sqlite:///{output / 'mlflow.db'}"
    assert_each_trial_once(children(uri), 3)
    assert_every_epoch_once(uri, children(uri), EPOCHS)
    shutil.rmtree(output)
