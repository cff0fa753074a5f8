"""Small files below a storage URI: a folder that all nodes share, or s3:// or gs://."""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from sweep.errors import SweepError


@dataclass(frozen=True)
class Files:
    """The files of one folder, by name."""

    uri: str

    def write(self, name: str, content: bytes) -> None:
        """Write a file; a reader sees the old one or the new one, never a part."""
        filesystem, path = open_uri(self.uri)
        filesystem.create_dir(path, recursive=True)
        partial = f"{path}/{name}.{uuid.uuid4().hex}.part"
        with filesystem.open_output_stream(partial) as stream:
            stream.write(content)
        filesystem.move(partial, f"{path}/{name}")

    def read(self, name: str) -> bytes | None:
        """A file's content, or None where there is no such file."""
        filesystem, path = open_uri(self.uri)
        if filesystem.get_file_info(f"{path}/{name}").type == fs.FileType.NotFound:
            return None
        try:
            with filesystem.open_input_file(f"{path}/{name}") as stream:
                content: bytes = stream.read()
        except FileNotFoundError:
            return None  # taken away between the two
        return content

    def modified(self, name: str) -> float | None:
        """When a file was written, in seconds by the storage's own clock; None without the file."""
        filesystem, path = open_uri(self.uri)
        info = filesystem.get_file_info(f"{path}/{name}")
        return None if info.type == fs.FileType.NotFound else info.mtime_ns / 1e9

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        filesystem, path = open_uri(self.uri)
        if filesystem.get_file_info(f"{path}/{name}").type != fs.FileType.NotFound:
            filesystem.delete_file(f"{path}/{name}")


def open_uri(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI or of a local path, and the path in it."""
    if "://" not in uri:
        return fs.LocalFileSystem(), os.path.abspath(uri)
    filesystem, path = fs.FileSystem.from_uri(uri)
    return filesystem, path


def copy_in(uri: str, folder: Path) -> None:
    """Copy a local folder's files to a URI."""
    filesystem, path = open_uri(uri)
    filesystem.create_dir(path, recursive=True)
    fs.copy_files(
        str(folder), path, source_filesystem=fs.LocalFileSystem(), destination_filesystem=filesystem
    )


def copy_out(uri: str, folder: Path) -> None:
    """Copy a URI's files into a local folder."""
    filesystem, path = open_uri(uri)
    fs.copy_files(
        path, str(folder), source_filesystem=filesystem, destination_filesystem=fs.LocalFileSystem()
    )


def remove_tree(uri: str) -> None:
    """Remove a folder with all that is in it, if it is there."""
    filesystem, path = open_uri(uri)
    if filesystem.get_file_info(path).type != fs.FileType.NotFound:
        filesystem.delete_dir(path)


def check_storage(storage: str) -> None:
    """Refuse storage that cannot be written, before any trial starts.

    Raises
    ------
    SweepError
    """
    try:
        filesystem, path = open_uri(storage)
        filesystem.create_dir(path, recursive=True)
        probe = f"{path}/.probe-{os.getpid()}"
        with filesystem.open_output_stream(probe) as stream:
            stream.write(b"")
        filesystem.delete_file(probe)
    except (OSError, ValueError) as error:
        raise SweepError(
            f"--storage {storage!r} cannot be written ({error}): give a folder, or an s3:// or "
            "gs:// URI, that this machine and all workers can write."
        ) from error
