"""A trial's own folder: its checkpoint while it runs, its artifacts when it is done.

The folder is named by sweep, config hash and data, and lives on storage that all nodes reach, so
one mechanism serves a killed driver, a lost worker and a lost node, whichever executor runs the
trial. It is emptied once MLflow has everything.
"""

import hashlib
import io
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sweep.errors import SweepError
from sweep.tracking.storage import Files, copy_in, copy_out, open_uri, remove_tree

_CHECKPOINT = "checkpoint.pt"
_ARTIFACTS = "artifacts"
_MAGIC = b"checkpoint of a trial, 1\n"
_HEAD = len(_MAGIC) + hashlib.sha256().digest_size


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
        return cls(f"{sweep_folder(storage, sweep_id)}/{trial}")

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Write the checkpoint; a reader sees the old one or the new one, never a part."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getvalue()
        digest = hashlib.sha256(content).digest()
        Files(self.uri).write(_CHECKPOINT, _MAGIC + digest + content)

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint, or None when there is none.

        Raises
        ------
        DamagedCheckpointError
            If the file is not what `save` wrote.
        """
        whole = Files(self.uri).read(_CHECKPOINT)
        if whole is None:
            return None
        head, content = whole[:_HEAD], whole[_HEAD:]
        if head != _MAGIC + hashlib.sha256(content).digest():
            raise DamagedCheckpointError(
                f"Checkpoint '{self.uri}/{_CHECKPOINT}' is damaged: {len(whole)} bytes that are "
                "not what was written."
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
        filesystem, path = open_uri(self.uri)
        aside = f"{path}.damaged-{uuid.uuid4().hex[:8]}.pt"
        filesystem.move(f"{path}/{_CHECKPOINT}", aside)
        return aside

    def put_artifacts(self, folder: Path) -> None:
        """Copy a local folder of artifacts here."""
        copy_in(f"{self.uri}/{_ARTIFACTS}", folder)

    def get_artifacts(self, folder: Path) -> None:
        """Copy the artifacts into a local folder."""
        copy_out(f"{self.uri}/{_ARTIFACTS}", folder)

    def discard(self) -> None:
        """Delete the folder, if it is there."""
        remove_tree(self.uri)


def sweep_folder(storage: str, sweep_id: str) -> str:
    """Where the storage has all that belongs to a sweep."""
    return f"{storage.rstrip('/')}/{sweep_id}"
