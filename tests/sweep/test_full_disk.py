"""A disk that is full while a sweep runs, and has room again later."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sweep.tracking.connect import first_line
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


def fill(path: Path) -> None:
    """Write a file until there is no room for another byte of it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (4096, 1):
            with suppress(OSError):
                while True:
                    os.write(file, bytes(size))
    finally:
        os.close(file)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB, which takes root to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said_in_a_line_and_the_same_command_goes_on(
    small_disk: Path, tmp_path: Path
) -> None:
    output = small_disk / "runs"
    arguments = (
        *("--output", output, "--storage", tmp_path / "trials", "--seeds", "1"),
        *("--set", f"num_epochs={EPOCHS}", "--address", "local"),
    )
    process = start("tests.sweep.tiny", *arguments, "--max-concurrent", "1")
    wait_for_epochs(output, lambda: process.poll() is None, 1)
    filling = small_disk / "filling"
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
