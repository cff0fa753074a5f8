"""One driver at a time for a sweep: refused, taken over, lost."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from sweep.engine.lease import Holder, LeaseTimes, ask_to_stop, find_lease, hold_lease
from sweep.errors import SweepError
from tests.sweep.command import ROOT

QUICK = LeaseTimes(beat_seconds=0.05, stale_seconds=30.0)


def never(*_: str) -> None:
    pytest.fail("nobody has taken the lease, or asked its holder to stop")


def lease(
    folder: Path,
    *,
    take_over: bool = False,
    said: list[str] | None = None,
    lost: Callable[[], None] = never,
    cancelled: Callable[[str], None] = never,
) -> AbstractContextManager[None]:
    say = (said if said is not None else []).append
    return hold_lease(
        str(folder), take_over=take_over, say=say, lost=lost, cancelled=cancelled, times=QUICK
    )


def leave(folder: Path, *, age: float = 0.0, **changes: Any) -> None:
    """A lease as a driver on another host leaves it, so many seconds ago."""
    values = {"host": "elsewhere", "process": 7, "started": "1", "job": "job-3", "token": "t"}
    folder.mkdir(exist_ok=True)
    file = folder / "driver.json"
    file.write_text(json.dumps({**values, **changes}))
    written = file.stat().st_mtime - age
    os.utime(file, (written, written))


def test_a_second_driver_is_refused_and_a_later_one_is_not(tmp_path: Path) -> None:
    with lease(tmp_path):
        with pytest.raises(SweepError) as refused, lease(tmp_path):
            pytest.fail("two drivers")
        message = str(refused.value)
        assert f"is driven by process {os.getpid()} on " in message
        assert "last heartbeat 0 s ago" in message
        assert "--take-over" in message
    assert list(tmp_path.iterdir()) == [], "nothing is left of it"
    said: list[str] = []
    with lease(tmp_path, said=said):
        assert said == []


def test_a_heartbeat_keeps_it_fresh(tmp_path: Path) -> None:
    with lease(tmp_path):
        file = tmp_path / "driver.json"
        os.utime(file, (1.0, 1.0))
        deadline = time.monotonic() + 10
        while file.stat().st_mtime < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert file.stat().st_mtime > 2


def test_a_driver_of_this_host_that_was_killed_is_followed_at_once(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from sweep.engine.lease import hold_lease\n"
        "with hold_lease(sys.argv[1], take_over=False, say=print, lost=print, cancelled=print):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(SweepError, match=f"driven by process {process.pid} on"), lease(tmp_path):
        pytest.fail("two drivers")
    process.kill()
    process.communicate()
    said: list[str] = []
    with lease(tmp_path, said=said):
        (sentence,) = said
    assert sentence.startswith(f"Taking over from process {process.pid} on ")


def test_the_number_of_a_process_that_is_another_one_now_is_no_driver(tmp_path: Path) -> None:
    here = Holder.here()
    leave(tmp_path, host=here.host, process=here.process, started="long ago")
    with lease(tmp_path):
        pass


def test_another_host_is_believed_until_its_heartbeat_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, age=20)
    # The clocks of hosts differ; that of the storage is one.
    monkeypatch.setattr(time, "time", lambda: 1e10)
    with (
        pytest.raises(SweepError, match=r"process 7 on elsewhere, job job-3 already .* 20 s ago"),
        lease(tmp_path),
    ):
        pytest.fail("two drivers")
    leave(tmp_path, age=31)
    said: list[str] = []
    with lease(tmp_path, said=said):
        assert said == [
            "Taking over from process 7 on elsewhere, job job-3, whose last heartbeat is 31 s old."
        ]


def test_who_is_taken_over_from_is_told(tmp_path: Path) -> None:
    lost = threading.Event()
    with lease(tmp_path, lost=lost.set):
        with lease(tmp_path, take_over=True):
            assert lost.wait(10)
            assert (tmp_path / "driver.json").exists()
        assert not (tmp_path / "driver.json").exists()
    assert not (tmp_path / "driver.json").exists(), "the first gives back what is its own alone"


def test_a_lease_that_was_cut_off_is_none(tmp_path: Path) -> None:
    leave(tmp_path)
    (tmp_path / "driver.json").write_text('{"host": "elsew')
    with lease(tmp_path):
        pass


def test_storage_that_fails_at_the_end_changes_no_end(tmp_path: Path) -> None:
    said: list[str] = []
    quiet = LeaseTimes(beat_seconds=60.0)
    with hold_lease(
        str(tmp_path), take_over=False, say=said.append, lost=never, cancelled=never, times=quiet
    ):
        file = tmp_path / "driver.json"
        file.unlink()
        file.mkdir()  # which nobody can read as a file
    (sentence,) = said
    assert "could not be given back" in sentence


def test_a_holder_is_found_and_told_to_stop(tmp_path: Path) -> None:
    told: list[str] = []
    heard = threading.Event()

    def cancelled(where: str) -> None:
        told.append(where)
        heard.set()

    assert find_lease(str(tmp_path)) is None
    with lease(tmp_path, cancelled=cancelled):
        found = find_lease(str(tmp_path))
        assert found is not None
        assert found.is_alive
        assert found.holder.process == os.getpid()
        ask_to_stop(str(tmp_path))
        assert heard.wait(10)
    assert told == [socket.gethostname()]
    assert not list(tmp_path.iterdir()), "the request is gone with the lease"


def test_a_request_to_an_earlier_driver_stops_no_later_one(tmp_path: Path) -> None:
    ask_to_stop(str(tmp_path))
    with lease(tmp_path):
        time.sleep(10 * QUICK.beat_seconds)


def test_a_lease_of_a_dead_process_is_found_dead(tmp_path: Path) -> None:
    leave(tmp_path, host=socket.gethostname())
    found = find_lease(str(tmp_path))
    assert found is not None
    assert not found.is_alive
