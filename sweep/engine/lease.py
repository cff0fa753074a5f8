"""One driver at a time for a sweep: a lease in its storage that a heartbeat keeps alive.

The age of a heartbeat is told by the storage's own clock, as the difference of two files' times, so
that hosts whose clocks differ agree. Two drivers that take a lease in the same second may both
believe they have it; the next heartbeat of the one whose lease was written over ends it.
"""

import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweep.errors import SweepError
from sweep.tracking.storage import Files

_FILE = "driver.json"
_CANCEL = "cancel.txt"
"""Lies beside the lease while somebody asks its holder to stop."""

_LEAVE_SECONDS = 5.0
"""How long the storage may take to give a lease back."""

_SETTLE_SECONDS = 0.3
"""How long a new lease lies before it is looked at again: whoever wrote at once has written."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who drives a sweep."""

    host: str
    process: int
    started: str
    """When the process started, in the kernel's words: another one may get its number later."""

    job: str | None
    """Ray's submission id, inside a submitted job."""

    token: str
    """Of this lease alone."""

    @classmethod
    def here(cls) -> "Holder":
        return cls(
            host=socket.gethostname(),
            process=os.getpid(),
            started=_started(os.getpid()),
            job=os.environ.get("RAY_JOB_SUBMISSION_ID"),
            token=uuid.uuid4().hex,
        )

    @property
    def is_dead(self) -> bool:
        """Whether it ran on this host and is gone; of another host's one cannot tell."""
        return self.host == socket.gethostname() and _started(self.process) != self.started

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return f"process {self.process} on {self.host}{job}"


@dataclass(frozen=True, kw_only=True)
class LeaseTimes:
    """How often a lease is renewed, and when it is given up."""

    beat_seconds: float = 5.0
    stale_seconds: float = 30.0
    """A lease this old has no driver any more: so many heartbeats cannot all be late."""


@contextmanager
def hold_lease(
    folder: str,
    *,
    take_over: bool,
    say: Callable[[str], None],
    lost: Callable[[], None],
    cancelled: Callable[[str], None],
    times: LeaseTimes | None = None,
) -> Iterator[None]:
    """Be the only driver of a sweep for the length of a block.

    Parameters
    ----------
    folder
        The sweep's folder in the storage, a path or a URI.
    take_over
        Whether to take the lease from a driver that seems to live.
    say
        Told, in a sentence, if the lease of another driver was taken over.
    lost
        Called from the heartbeat's thread, once, if another driver has taken the lease.
    cancelled
        Called from the heartbeat's thread, once, if `ask_to_stop` was called somewhere; told where.
    times
        Left out, a heartbeat each 5 seconds, and stale after 30.

    Raises
    ------
    SweepError
        If another driver holds it.
    """
    times = times or LeaseTimes()
    files = Files(folder)
    before = _read(files)
    if before is not None:
        age = _age(files)
        if not (take_over or before.is_dead or age > times.stale_seconds):
            raise _is_held(before, age)
        say(f"Taking over from {before}, whose last heartbeat is {age:.0f} s old.")
    me = Holder.here()
    files.delete(_CANCEL)  # asked of an earlier driver
    _write(files, me)
    stop = threading.Event()
    stop.wait(_SETTLE_SECONDS)
    _check_mine(files, me)
    beat = threading.Thread(
        target=_beat, args=(files, me, stop, times, lost, cancelled), name="lease", daemon=True
    )
    beat.start()
    try:
        yield
    finally:
        stop.set()
        # In a thread, since an object store that is away keeps a caller for minutes, and whoever
        # was interrupted wants to leave.
        problems: list[str] = []
        leave = threading.Thread(target=_give_back, args=(files, me, beat, problems), daemon=True)
        leave.start()
        leave.join(_LEAVE_SECONDS)
        if leave.is_alive():
            problems.append("the storage does not answer")
        if problems:
            # No reason to end otherwise than the block did: it grows old by itself.
            say(f"The sweep's lease in {folder!r} could not be given back ({problems[0]}).")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A lease as somebody else finds it."""

    holder: Holder
    age: float
    """Seconds since the last heartbeat, by the storage's clock."""

    @property
    def is_alive(self) -> bool:
        return not self.holder.is_dead and self.age <= LeaseTimes().stale_seconds


def find_lease(folder: str) -> Standing | None:
    """Who drives the sweep of a folder; None if nobody has a lease there."""
    files = Files(folder)
    holder = _read(files)
    return None if holder is None else Standing(holder=holder, age=_age(files))


def ask_to_stop(folder: str) -> None:
    """Ask the driver of a folder's sweep to stop, which it does at its next heartbeat."""
    Files(folder).write(_CANCEL, socket.gethostname().encode())


def _beat(
    files: Files,
    me: Holder,
    stop: threading.Event,
    times: LeaseTimes,
    lost: Callable[[], None],
    cancelled: Callable[[str], None],
) -> None:
    while not stop.wait(times.beat_seconds):
        try:
            now = _read(files)
            if now is not None and now.token != me.token:
                lost()
                return
            _write(files, me)
            request = files.read(_CANCEL)
            if request is not None:
                cancelled(request.decode(errors="replace"))
                return
        except OSError:
            continue  # the storage is away for a while; trials say so if it stays away


def _give_back(files: Files, me: Holder, beat: threading.Thread, problems: list[str]) -> None:
    beat.join()
    try:
        now = _read(files)
        if now is not None and now.token == me.token:
            files.delete(_CANCEL)
            files.delete(_FILE)
    except OSError as error:
        problems.append(str(error))


def _check_mine(files: Files, me: Holder) -> None:
    now = _read(files)
    if now is not None and now.token != me.token:
        raise _is_held(now, 0.0)


def _is_held(holder: Holder, age: float) -> SweepError:
    return SweepError(
        f"This sweep is driven by {holder} already (last heartbeat {age:.0f} s ago): wait for it, "
        "stop it, or give --take-over if it is dead."
    )


def _read(files: Files) -> Holder | None:
    content = files.read(_FILE)
    if content is None:
        return None
    try:
        values: dict[str, Any] = json.loads(content)
        return Holder(**values)
    except (ValueError, TypeError):
        return None  # cut off: whoever wrote it is about to write it again, or dead


def _write(files: Files, holder: Holder) -> None:
    files.write(_FILE, json.dumps(asdict(holder)).encode())


def _age(files: Files) -> float:
    """Seconds since the last heartbeat, by the storage's clock."""
    probe = f"clock-{uuid.uuid4().hex}"
    files.write(probe, b"")
    now, then = files.modified(probe), files.modified(_FILE)
    files.delete(probe)
    return max(0.0, now - then) if now is not None and then is not None else 0.0


def _started(process: int) -> str:
    """When a process of this host started; empty without one, or where the kernel is silent."""
    try:
        # Field 22 of proc(5): the 20th behind the name, which may hold spaces and ends with ")".
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
