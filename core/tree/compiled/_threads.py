"""Threads for compiled code, which works outside the interpreter's lock."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

_pools: dict[int, ThreadPoolExecutor] = {}


def num_threads() -> int:
    """As many as torch uses for one operation (`torch.set_num_threads`)."""
    import torch  # here, for `import core.tree` does without its seconds

    return torch.get_num_threads()


def run_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks at the same time, one of them in this thread."""
    if len(tasks) == 1:
        tasks[0]()
        return
    others = [_pool(len(tasks) - 1).submit(task) for task in tasks[1:]]
    try:
        tasks[0]()
    finally:
        for other in others:
            other.result()


def _pool(size: int) -> ThreadPoolExecutor:
    # A pool for each size: one that was too small would make tasks wait for each other.
    if size not in _pools:
        _pools.setdefault(size, ThreadPoolExecutor(size, thread_name_prefix="tree"))
    return _pools[size]


# Threads do not live on in a forked process, such as a loader worker's.
os.register_at_fork(after_in_child=_pools.clear)
