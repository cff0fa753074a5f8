"""A trial's own folder: its checkpoint while it runs, its artifacts when it is done.

The folder is named by sweep, config hash and data, and lives on storage that all nodes reach, so
one mechanism serves a killed driver, a lost worker and a lost node, whichever executor runs the
trial. It is emptied once MLflow has everything.
"""

import hashlib
import io
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pyarrow import fs

from sweep.errors import SweepError

_CHECKPOINT = "checkpoint.pt"
_ARTIFACTS = "artifacts"
_MAGIC = b"checkpoint of a trial, 1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size


class DamagedCheckpointError(SweepError):
    """A file that is no whole checkpoint: cut off, or written over."""


@dataclass(frozen=True)
class TrialStore:
    """Files of one trial below a storage URI (a folder, or s3:// or gs://)."""

    uri: str

    @classmethod
    def of(
        cls, storage: str, sweep_id: str, config_hash: str, dataset_fingerprint: str
    ) -> "TrialStore":
        trial = f"{config_hash}-{dataset_fingerprint[:12]}"
        return cls(f"{storage.rstrip('/')}/{sweep_id}/{trial}")

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Write the checkpoint; a reader sees the old one or the new one, never a part."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getvalue()
        filesystem, path = _open(self.uri)
        filesystem.create_dir(path, recursive=True)
        partial = f"{path}/{_CHECKPOINT}.{uuid.uuid4().hex}.part"
        with filesystem.open_output_stream(partial) as stream:
            stream.write(_MAGIC + hashlib.sha256(content).digest() + content)
        filesystem.move(partial, f"{path}/{_CHECKPOINT}")

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint, or None when there is none.

        Raises
        ------
        DamagedCheckpointError
            If the file is not what `save` wrote.
        """
        filesystem, path = _open(self.uri)
        file = f"{path}/{_CHECKPOINT}"
        if filesystem.get_file_info(file).type == fs.FileType.NotFound:
            return None
        try:
            with filesystem.open_input_file(file) as stream:
                head, content = stream.read(len(_MAGIC) + _DIGEST_SIZE), stream.read()
        except FileNotFoundError:
            return None  # another worker of the trial has just set it aside
        if head != _MAGIC + hashlib.sha256(content).digest():
            raise DamagedCheckpointError(
                f"Checkpoint {file!r} is damaged: {len(head) + len(content)} bytes that are not "
                "what was written."
            )
        # The driver, which may have no GPU, reads it too; `load_state_dict` copies to the device.
        values: dict[str, Any] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
        return values

    def set_aside(self) -> str:
        """Move the checkpoint out of the way, so that the trial starts anew; return its new path.

        It lies beside the trial's folder, which is emptied once the trial is finished.
        """
        filesystem, path = _open(self.uri)
        aside = f"{path}.damaged-{uuid.uuid4().hex[:8]}.pt"
        filesystem.move(f"{path}/{_CHECKPOINT}", aside)
        return aside

    def put_artifacts(self, folder: Path) -> None:
        """Copy a local folder of artifacts here."""
        filesystem, path = _open(self.uri)
        filesystem.create_dir(f"{path}/{_ARTIFACTS}", recursive=True)
        fs.copy_files(
            str(folder),
            f"{path}/{_ARTIFACTS}",
            source_filesystem=fs.LocalFileSystem(),
            destination_filesystem=filesystem,
        )

    def get_artifacts(self, folder: Path) -> None:
        """Copy the artifacts into a local folder."""
        filesystem, path = _open(self.uri)
        fs.copy_files(
            f"{path}/{_ARTIFACTS}",
            str(folder),
            source_filesystem=filesystem,
            destination_filesystem=fs.LocalFileSystem(),
        )

    def discard(self) -> None:
        """Delete the folder, if it is there."""
        filesystem, path = _open(self.uri)
        if filesystem.get_file_info(path).type == fs.FileType.Directory:
            filesystem.delete_dir(path)


def check_storage(storage: str) -> None:
    """Refuse storage that cannot be written, before any trial starts."""
    try:
        filesystem, path = _open(storage)
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


def _open(uri: str) -> tuple[fs.FileSystem, str]:
    if "://" not in uri:
        return fs.LocalFileSystem(), os.path.abspath(uri)
    filesystem, path = fs.FileSystem.from_uri(uri)
    return filesystem, path
