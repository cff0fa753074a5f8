"""Where a packed dataset lies: a local folder, or a prefix that pyarrow's filesystems reach."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from core.errors import ConfigError

StrPath = str | PathLike[str]

TEMPORARY = ".tmp"
"""End of the name of a local file that is not whole yet."""


class BinarySink(Protocol):
    """What a file under construction takes."""

    def write(self, data: Any, /) -> Any: ...


@dataclass(frozen=True)
class Place:
    """A folder of files that appear whole or not at all."""

    filesystem: Any
    """A `pyarrow.fs.FileSystem`."""

    base: str
    """The folder's path in `filesystem`."""

    shown: str
    """How messages call it: without the credentials and options of its URI."""

    local: Path | None
    """The folder, when it is a local one."""

    @classmethod
    def of(cls, path: StrPath) -> "Place":
        """Understand a local path, or a URI such as ``s3://bucket/prefix`` or ``gs://...``.

        Raises
        ------
        ConfigError
            If pyarrow knows no filesystem for the URI.
        """
        text = os.fspath(path)
        if "://" not in text:
            return cls(fs.LocalFileSystem(), text, text, Path(text))
        parts = urlsplit(text)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        try:
            filesystem, base = fs.FileSystem.from_uri(text)
        except (pa.ArrowException, ValueError) as error:
            raise ConfigError(
                f"{shown!r} must be a local folder or a URI that pyarrow's filesystems open, such "
                f"as s3://bucket/prefix or gs://bucket/prefix, but it is refused: {error}."
            ) from error
        base = base.rstrip("/")
        local = Path(base) if isinstance(filesystem, fs.LocalFileSystem) else None
        return cls(filesystem, base, shown, local)

    def read(self, name: str) -> bytes:
        """Return a whole file; FileNotFoundError if there is none."""
        with self.filesystem.open_input_stream(f"{self.base}/{name}", compression=None) as stream:
            content: bytes = stream.read()
        return content

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Bytes of each whole file that lies directly in the folder, by its name there."""
        selector = fs.FileSelector(f"{self.base}/{folder}".rstrip("/"), allow_not_found=True)
        return {
            info.base_name: info.size
            for info in self.filesystem.get_file_info(selector)
            if info.type == fs.FileType.File and not info.base_name.endswith(TEMPORARY)
        }

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file; whoever reads it sees all of the new one or all of the old one."""
        with self.create(name) as file:
            file.write(content)

    @contextmanager
    def create(self, name: str) -> Iterator[BinarySink]:
        """Open a new file that takes its name when the block ends, and never if it fails.

        A local one is written under a temporary name, brought to the disk and renamed. An object
        store shows an upload when it is complete.
        """
        if self.local is None:
            with self._upload(f"{self.base}/{name}") as stream:
                yield stream
            return
        target = self.local / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not from `tempfile`, whose files no other user of a shared folder may read.
        temporary = target.with_name(f"{target.name}.{secrets.token_hex(8)}{TEMPORARY}")
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _upload(self, path: str) -> Iterator[BinarySink]:
        stream = self.filesystem.open_output_stream(path, compression=None)
        try:
            yield stream
        except BaseException:
            # pyarrow cannot abort an upload: closing completes it, and what it left must go.
            with suppress(OSError):
                stream.close()
            with suppress(OSError):
                self.filesystem.delete_file(path)
            raise
        stream.close()
