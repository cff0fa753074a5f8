"""What a folder is being packed with, so that it goes on with the same and with nothing else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.archives import Archive
from core.data.packed._manifest import MANIFEST
from core.data.packed._place import Place
from core.errors import DataError

JOB = "job.json"
LOCK = "pack.lock"

_FORMAT = "intersection-packing"
_ENCODING = 1
"""Raised whenever the same settings make other bytes."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that the packed bytes depend on, image files aside."""

    settings: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        archive: Archive,
        *,
        shorter_side: int | None,
        quality: int,
        rows_per_shard: int,
        options: Mapping[str, Any],
    ) -> "Job":
        return cls(
            settings={
                "name": archive.name,
                "shorter_side": shorter_side,
                "quality": quality,
                "rows_per_shard": rows_per_shard,
                "options": dict(options),
                "encoding": _ENCODING,
                "table": _digest(archive),
            }
        )

    @property
    def hash(self) -> str:
        """SHA-256 of the settings, which each shard's record repeats."""
        canonical = json.dumps(self.settings, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def claim(self, place: Place) -> None:
        """Write the job into an empty place, or go on with the one that is there if it is this.

        Raises
        ------
        DataError
            If the place holds another job or something else.
        """
        try:
            found = json.loads(place.read(JOB))
        except FileNotFoundError:
            others = sorted(place.sizes().keys() - {LOCK})
            if others:
                what = "a packed dataset" if MANIFEST in others else f"{others[0]!r}"
                raise DataError(
                    f"{place.shown!r} must be empty or hold what this command has begun, but holds "
                    f"{what}. Choose another folder."
                ) from None
            content = {"format": _FORMAT, "settings": self.settings}
            place.write(JOB, json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n")
            return
        except ValueError as error:
            raise DataError(
                f"{JOB} in {place.shown!r} is malformed ({error}): remove the folder and pack anew."
            ) from error
        self._compare(found, place)

    def _compare(self, found: Any, place: Place) -> None:
        if not isinstance(found, dict) or found.get("format") != _FORMAT:
            raise DataError(
                f"{JOB} in {place.shown!r} was not written by this command. Choose another folder."
            )
        before = found.get("settings", {})
        for key, value in json.loads(json.dumps(self.settings)).items():
            if before.get(key) == value:
                continue
            if key == "table":
                difference = "another table of rows: other files, boxes, classes or attributes"
            elif key == "encoding":
                difference = "another version of this program"
            else:
                difference = f"`{key}` {before.get(key)!r}, but now has {value!r}"
            raise DataError(
                f"One folder must be packed with one set of settings, but {place.shown!r} was "
                f"begun with {difference}. Give the settings it was begun with, or choose another "
                "folder."
            )


def _digest(archive: Archive) -> str:
    digest = hashlib.sha256()
    names = [
        archive.class_names,
        archive.attribute_names,
        archive.files,
        archive.crops,
        archive.attributes_per_class,
    ]
    digest.update(json.dumps(names).encode())
    columns: list[npt.NDArray[Any]] = [archive.labels_N, archive.is_test_N, archive.attributes_NA]
    if archive.crops and archive.boxes_N4 is not None:
        columns.append(archive.boxes_N4)
    if archive.groups_N is not None:
        columns.append(archive.groups_N)
    for column in columns:
        digest.update(f"{column.shape}{column.dtype.str}".encode())
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()
