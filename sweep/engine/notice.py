"""What the process of a trial is told of its end, so that the trial is saved before it.

Two things tell: SIGTERM to the process, and Ray, which drains a node that the cloud will take back
(a spot notice, or a pod that is to be deleted).
"""

import functools
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import ray
from ray._private import state

from core.distributed import world_size

LOOK_EVERY = 5.0
"""Seconds between two looks at the nodes that are drained."""

SAVE_WITHIN = 60.0
"""Seconds that SIGTERM waits for a thread that trains. Whoever sent it kills sooner or later."""

_log = logging.getLogger(__name__)


class Notices:
    """Collects notices; the thread that trains asks after each batch.

    Parameters
    ----------
    draining
        Gives the nodes that will be taken away and whose end is this trial's.
    """

    def __init__(self, draining: Callable[[], frozenset[str]]) -> None:
        self._draining = draining
        self._seen: frozenset[str] = frozenset()
        self._save = threading.Event()
        self._answered = threading.Event()
        self._trainer: threading.Thread | None = None
        self._leave: Callable[[], Any] | None = None

    def listen(self) -> None:
        """Take SIGTERM, and look at the nodes from now on. For the main thread."""
        before = signal.getsignal(signal.SIGTERM)

        def on_sigterm(number: int, frame: FrameType | None) -> None:
            self._on_sigterm(lambda: before(number, frame) if callable(before) else None)

        signal.signal(signal.SIGTERM, on_sigterm)
        threading.Thread(target=self._look, name="notices", daemon=True).start()

    def save_now(self) -> bool:
        """Whether the trial should be saved at once. `answered` must follow."""
        return self._save.is_set()

    def answered(self) -> None:
        """Take it that the trial is saved; the process ends here if SIGTERM came to it."""
        self._save.clear()
        self._answered.set()
        if self._leave is not None and self._trainer is threading.main_thread():
            self._leave()

    @contextmanager
    def training(self) -> Iterator[None]:
        """For the block, this thread will ask."""
        self._trainer = threading.current_thread()
        try:
            yield
        finally:
            self._trainer = None
            self._answered.set()
        if self._leave is not None and threading.current_thread() is threading.main_thread():
            self._leave()

    def _on_sigterm(self, leave: Callable[[], Any]) -> None:
        self._leave = leave
        trainer = self._trainer
        if trainer is None:
            leave()
            return
        self._answered.clear()
        self._save.set()
        # The main thread cannot train on while it waits here.
        if trainer is not threading.main_thread():
            self._answered.wait(SAVE_WITHIN)
            leave()

    def _look(self) -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_EVERY):
            try:
                draining = self._draining()
            except Exception:  # noqa: BLE001 - a head that does not answer now may answer later
                _log.warning("Ray did not say which nodes are drained.", exc_info=True)
                continue
            if draining - self._seen:
                _log.warning("A node will be taken away: the trial is saved.")
                self._save.set()
            self._seen = draining


@functools.cache
def notices() -> Notices:
    """Those of this process, which runs in Ray."""
    own = {ray.get_runtime_context().get_node_id()}

    def draining() -> frozenset[str]:
        nodes = frozenset(state.state.get_draining_nodes())
        # The first of several workers alone saves, wherever the others are.
        return nodes if world_size() > 1 else nodes & own

    return Notices(draining)
