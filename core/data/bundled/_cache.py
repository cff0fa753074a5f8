"""Arrays kept on disk, with a checksum that proves they are the ones asked for.

A cache file is one line, ``intersection-cache <SHA-256>``, and then an npz archive. The checksum
covers the key and the archive, and is compared before anything is parsed: a truncated file, a
flipped bit, a file of another key and a file of another program are all noticed alike.
"""

import hashlib
import io
import os
import secrets
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.cache import CACHE_VARIABLE

Arrays = Mapping[str, npt.NDArray[Any]]

_MAGIC = b"intersection-cache "


def cached(name: str, key: str, make: Callable[[], Arrays], cache_dir: Path) -> Arrays:
    """Return the arrays stored under `key`, or make and store them.

    Any number of processes may call this at once: each writes a file of its own and renames it
    into place, so that readers see a whole file or none.

    Parameters
    ----------
    name
        Start of the file's name.
    key
        Everything that determines the arrays, as one string.
    make
        Makes the arrays.
    cache_dir
        Folder to keep them in; it is created.

    Warns
    -----
    RuntimeWarning
        If a cache file is damaged, or cannot be read or written. The arrays are then made anew.
    """
    path = cache_dir / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.cache"
    stored = _read(path, key)
    if stored is not None:
        return stored
    arrays = make()
    _write(path, key, arrays)
    return arrays


def _read(path: Path, key: str) -> Arrays | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        warnings.warn(
            f"Cache file {path} cannot be read ({error}): its content is made anew. Mend the file "
            f"or set {CACHE_VARIABLE} to another folder.",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
    header, _, archive = content.partition(b"\n")
    if header != _header(key, archive):
        warnings.warn(
            f"Cache file {path} is damaged or was not written for this data (its checksum does "
            "not match): its content is made anew and the file replaced.",
            RuntimeWarning,
            stacklevel=4,
        )
        return None
    with np.load(io.BytesIO(archive), allow_pickle=False) as loaded:
        return dict(loaded)


def _write(path: Path, key: str, arrays: Arrays) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(arrays))
    archive = buffer.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not from `tempfile`, whose files no other user of a shared folder may read.
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(_header(key, archive) + b"\n" + archive)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(
            f"Cache file {path} cannot be written ({error}): its content will be made anew next "
            f"time. Set {CACHE_VARIABLE} to a folder that can be written.",
            RuntimeWarning,
            stacklevel=4,
        )


def _header(key: str, archive: bytes) -> bytes:
    digest = hashlib.sha256(key.encode() + b"\0")
    digest.update(archive)
    return _MAGIC + digest.hexdigest().encode()
