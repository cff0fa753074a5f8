"""A disk that can be filled."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class CannotMountError(Exception):
    """Only root may mount a file system, and not everywhere."""


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a file system of that size for a block.

    Raises
    ------
    CannotMountError
        Where that is not allowed.
    """
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
            raise CannotMountError("Only root may mount a small file system, and not everywhere.")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


def fill(path: Path) -> None:
    """Write a file until there is no room for another byte of it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (4096, 1):
            with suppress(OSError):
                while True:
                    os.write(file, bytes(size))
    finally:
        os.close(file)
