"""The one way in which this package compiles functions."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


_PACKAGE = Path(__file__).parents[1]


def source_stamp(folder: Path) -> str:
    """A digest of all Python files in a folder and those below it, their places included."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


_STAMP = source_stamp(_PACKAGE)


def compiled(function: F) -> F:
    """Compile at the first call, keep the result on disk, release the GIL, keep IEEE order."""
    return _compile(function, fastmath=False)


def compiled_any_order(function: F) -> F:
    """As `compiled`, where sums may be taken in any order and products fused into them.

    For sums that are exact, and for bounds that leave room for rounding.
    """
    return _compile(function, fastmath={"reassoc", "contract"})


def _compile(function: F, *, fastmath: bool | set[str]) -> F:
    dispatcher = njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function)
    # numba's cache looks at the file of the function alone, but the code holds functions and
    # constants of all of `core.tree`. Stamped by its files, it cannot go stale. numba (0.68) has
    # no public way to give a stamp: what may be registered are locators of folders, for all
    # packages of a process. Should the attribute ever go, the test of the cache fails.
    dispatcher._cache._cache_file._source_stamp = _STAMP  # type: ignore[attr-defined]
    return cast(F, dispatcher)
