"""The folder of a run: a checkpoint while it lasts, its artifacts and numbers when it is over."""

import csv
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core.config import TrainConfig
from core.errors import DataError

CHECKPOINT, EPOCHS, METRICS = "checkpoint.pt", "epochs.csv", "metrics.json"

Row = dict[str, float]
"""An epoch's numbers by name."""


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Where one run lies. It refuses what belongs to another."""

    path: Path
    config: TrainConfig
    fingerprint: str
    """Of the data."""

    def claim(self) -> None:
        """Make the folder, or take up this run's.

        Raises
        ------
        DataError
            If another run or something else lies there.
        """
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{str(self.path)!r} must be a folder, but is a file.")
        self.path.mkdir(parents=True, exist_ok=True)
        known = (CHECKPOINT, METRICS, f"{CHECKPOINT}.part")
        others = sorted(path.name for path in self.path.iterdir())
        if others and not set(others) & set(known):
            raise DataError(
                f"{str(self.path)!r} must be empty or hold a run of this command, but holds "
                f"{others[0]!r}: choose another folder."
            )
        if (self.path / METRICS).exists():
            self._check(self.result(), METRICS)

    @property
    def is_finished(self) -> bool:
        """Whether the run is over; its numbers are written last."""
        return (self.path / METRICS).exists()

    def result(self) -> Mapping[str, Any]:
        """What a finished run wrote.

        Raises
        ------
        DataError
            If the file is no longer as it was written.
        """
        file = self.path / METRICS
        try:
            found: Mapping[str, Any] = json.loads(file.read_text())
        except ValueError as error:
            raise DataError(f"{str(file)!r} is no JSON ({error}): remove the folder.") from error
        return found

    def load(self, device: torch.device | str) -> tuple[dict[str, Any], list[Row]] | None:
        """The newest checkpoint's state and rows; None where the run is to begin.

        Raises
        ------
        DataError
            If it is another run's, or damaged.
        """
        file = self.path / CHECKPOINT
        if not file.exists():
            return None
        try:
            saved = torch.load(file, map_location=device, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
            raise DataError(
                f"The checkpoint {str(file)!r} cannot be read ({str(error).splitlines()[0]}): "
                "remove it to begin anew."
            ) from error
        self._check(saved, CHECKPOINT)
        return saved["state"], saved["rows"]

    def save(self, state: dict[str, Any], rows: Sequence[Row]) -> None:
        """Write a checkpoint; whoever reads it sees the old one or the new one."""
        values = {**self._identity(), "state": state, "rows": list(rows)}
        self._write(CHECKPOINT, lambda part: torch.save(values, part))

    def finish(self, rows: Sequence[Row], result: Mapping[str, Any]) -> None:
        """Write the numbers, and remove the checkpoint."""
        names = dict.fromkeys(name for row in rows for name in row)
        with (self.path / EPOCHS).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(names))
            writer.writeheader()
            writer.writerows(rows)
        text = json.dumps({**self._identity(), **result}, indent=2)
        self._write(METRICS, lambda part: part.write_text(text))
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def _identity(self) -> dict[str, Any]:
        return {
            "config_hash": self.config.hash,
            "dataset": self.config.dataset,
            "fingerprint": self.fingerprint,
        }

    def _check(self, found: Mapping[str, Any], name: str) -> None:
        for key, what in (("config_hash", "config"), ("fingerprint", "data with fingerprint")):
            if found.get(key) != self._identity()[key]:
                raise DataError(
                    f"{name} in {str(self.path)!r} belongs to {what} {str(found.get(key))[:12]}, "
                    f"but this run is {what} {self._identity()[key][:12]}: give each run a folder "
                    "of its own."
                )

    def _write(self, name: str, write: Callable[[Path], Any]) -> None:
        part = self.path / f"{name}.part"
        write(part)
        part.replace(self.path / name)
