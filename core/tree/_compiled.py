"""The one way in which this package compiles functions."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def _source_stamp() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_STAMP = _source_stamp()


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
    # constants of the other files too. Stamped by all of them, it cannot go stale.
    dispatcher._cache._cache_file._source_stamp = _STAMP  # type: ignore[attr-defined]
    return cast(F, dispatcher)
