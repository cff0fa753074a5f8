"""One process at a time in a local folder, by a lock that ends with the process."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DataError


@contextmanager
def locked(path: Path, *, wait: bool, busy: str = "") -> Iterator[None]:
    """Hold the lock of a file for the length of a block.

    The kernel frees it when the process ends, however it ends.

    Parameters
    ----------
    path
        The file; it is made, with its folders, and left in place.
    wait
        Whether to wait for a process that holds it.
    busy
        What to say when one holds it and `wait` is False.

    Raises
    ------
    DataError
        With `busy` as the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(busy) from None
        yield
