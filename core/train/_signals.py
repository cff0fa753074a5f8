"""Ctrl-C as a request: a run ends after its batch, saved; a second one ends it at once."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    """Which signal has come; None while none has."""

    signal: int | None = None

    @property
    def has_come(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Take SIGINT and SIGTERM as requests for the length of a block. For the main thread."""
    request = StopRequest()

    def take(signum: int, frame: FrameType | None) -> None:
        if request.has_come:
            raise KeyboardInterrupt
        request.signal = signum
        sys.stderr.write("Stopping after this batch; once more to stop at once.\n")

    before = {signum: signal.signal(signum, take) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
