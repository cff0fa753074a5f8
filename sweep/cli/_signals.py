"""SIGTERM as a polite request: the command ends as after Ctrl-C, with an exit code of its own."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn


@dataclass
class Sigterm:
    """Whether SIGTERM has come: from `kill`, `ray job stop`, a node that is taken down."""

    received: bool = False


@contextmanager
def sigterm_interrupts() -> Iterator[Sigterm]:
    """Raise KeyboardInterrupt where the process stands when SIGTERM comes. For the main thread.

    Tune and Ray know how to end on that exception, and raise it anew on their way out; so what came
    is told apart by what is yielded here, not by a class.
    """
    sigterm = Sigterm()

    def interrupt(signum: int, frame: FrameType | None) -> NoReturn:
        sigterm.received = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield sigterm
    finally:
        signal.signal(signal.SIGTERM, before)
