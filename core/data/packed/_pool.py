"""A map over processes that keeps its order and never runs far ahead of whoever reads it."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

from core.errors import DataError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD = 3
"""Items under way for each worker: enough that none waits for a slow one, few in memory."""


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[_Item], _Result], items: Iterable[_Item], *, num_workers: int
) -> Generator[_Result, None, None]:
    """Yield ``function(item)`` in the order of the items.

    With one worker the calling process does it all. Several are fresh (spawned) processes; an
    interrupt of the terminal stops the caller alone, and workers end with it, however it ends.
    Close the iterator to end them early.

    Raises
    ------
    DataError
        If a worker process dies.
    """
    if num_workers == 1:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(
        num_workers, mp_context=get_context("spawn"), initializer=_end_with_parent
    )
    under_way: deque[Future[_Result]] = deque()
    try:
        for item in items:
            under_way.append(_submit(pool, function, item))
            if len(under_way) >= _AHEAD * num_workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "A worker process died, perhaps because memory ran out: try fewer workers. What is "
            "whole is kept; run the same command again to go on."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(
    pool: ProcessPoolExecutor, function: Callable[[_Item], _Result], item: _Item
) -> "Future[_Result]":
    # The pool starts its processes here, and they inherit which signals are blocked: Ctrl-C
    # reaches a terminal's whole process group, and is the caller's to handle.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(function, item)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def wait() -> None:
        connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
