"""The manifest: what a packed dataset holds, and what it is known by."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from core.data.archives import Check
from core.data.packed._place import Place, StrPath
from core.data.packed._schema import packed_schema
from core.errors import DataError

FORMAT = "intersection-packed"
VERSION = 1
MANIFEST = "manifest.json"


class Shard(NamedTuple):
    """One Arrow file."""

    file: str
    """Path below the dataset's folder, with forward slashes."""

    rows: int
    bytes: int
    sha256: str
    """Of the whole file, in hex."""


class Skipped(NamedTuple):
    """A row of the archive whose image could not be read."""

    row: int
    file: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Manifest:
    """Everything about a packed dataset but its rows.

    Raises
    ------
    DataError
        If the counts contradict each other.
    """

    name: str
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    attributes_per_class: bool
    shorter_side: int | None
    """Longest that the shorter side of an image is, in pixels; None when they are as they were."""

    num_rows: int
    num_train: int
    num_test: int
    shards: tuple[Shard, ...]
    """In the order of the archive's rows."""

    skipped: tuple[Skipped, ...]
    checks: tuple[Check, ...]
    """The archive's: published counts beside those found."""

    warnings: tuple[str, ...]
    """The archive's."""

    options: Mapping[str, Any]
    """What the reader was asked for."""

    has_groups: bool = False
    """Whether the reader said which images belong on one side of every cut."""

    fingerprint: str = field(init=False)
    """SHA-256 over names, classes, attributes and the shards' content: the identity of the data,
    wherever it lies and however many workers packed it."""

    def __post_init__(self) -> None:
        in_shards = sum(shard.rows for shard in self.shards)
        if not self.num_rows == in_shards == self.num_train + self.num_test:
            raise DataError(
                f"The counts of {self.name!r} must agree, but `num_rows` is {self.num_rows}, the "
                f"shards hold {in_shards} rows, and {self.num_train} of train and {self.num_test} "
                f"of test make {self.num_train + self.num_test}."
            )
        object.__setattr__(self, "fingerprint", self._hash())

    @property
    def schema(self) -> pa.Schema:
        """Columns of the shards."""
        return packed_schema(len(self.attribute_names), has_groups=self.has_groups)

    @property
    def num_bytes(self) -> int:
        """Size of all shards."""
        return sum(shard.bytes for shard in self.shards)

    def to_json(self) -> bytes:
        """The content of ``manifest.json``."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "class_names": self.class_names,
            "attribute_names": self.attribute_names,
            "attributes_per_class": self.attributes_per_class,
            "shorter_side": self.shorter_side,
            "num_rows": self.num_rows,
            "num_train": self.num_train,
            "num_test": self.num_test,
            "shards": [shard._asdict() for shard in self.shards],
            "skipped": [skipped._asdict() for skipped in self.skipped],
            "checks": [check._asdict() for check in self.checks],
            "warnings": self.warnings,
            "options": dict(self.options),
            "fingerprint": self.fingerprint,
        }
        if self.has_groups:  # earlier releases know nothing of it
            document["has_groups"] = True
        return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def read(cls, path: StrPath) -> "Manifest":
        """Read the manifest of a packed dataset.

        Parameters
        ----------
        path
            Its folder: a local path, or a URI such as ``s3://bucket/prefix``.

        Raises
        ------
        ConfigError
            If the URI is of no known filesystem.
        DataError
            If there is no manifest, if it is another program's or a newer version's, or if it is
            malformed or was changed since it was written.
        """
        return read_manifest(Place.of(path))

    def _hash(self) -> str:
        identity = [
            FORMAT,
            VERSION,
            self.name,
            self.class_names,
            self.attribute_names,
            self.attributes_per_class,
            [shard.sha256 for shard in self.shards],
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def read_manifest(place: Place) -> Manifest:
    """Read the manifest that lies in a place; see `Manifest.read`."""
    try:
        content = place.read(MANIFEST)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{place.shown!r} must hold a packed dataset, but has no {MANIFEST}. It is written "
            "last: if packing was interrupted, run the same command again to go on; else make one "
            "with `python -m core.data.pack`."
        ) from None
    where = f"{MANIFEST} in {place.shown!r}"
    try:
        document = json.loads(content)
    except ValueError as error:
        raise DataError(f"{where} must be JSON, but is not: {error}. Pack anew.") from error
    found_format = document.get("format") if isinstance(document, dict) else None
    if found_format != FORMAT:
        raise DataError(f"{where} must have the format {FORMAT!r}, but has {found_format!r}.")
    version = document.get("version")
    if version != VERSION:
        raise DataError(
            f"{where} must have version {VERSION}, which this program reads, but has {version!r}. "
            "Pack anew, or use the version of the program that wrote it."
        )
    try:
        manifest = _from_document(document)
    except KeyError as error:
        raise DataError(
            f"{where} must have the key {error.args[0]!r}, but has not. Pack anew."
        ) from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} is malformed: {error}. Pack anew.") from error
    if document.get("fingerprint") != manifest.fingerprint:
        raise DataError(
            f"{where} was changed since it was written: its fingerprint is "
            f"{document.get('fingerprint')!r}, but its content makes {manifest.fingerprint!r}."
        )
    return manifest


def _from_document(document: Mapping[str, Any]) -> Manifest:
    shorter_side = document["shorter_side"]
    return Manifest(
        name=str(document["name"]),
        class_names=tuple(map(str, document["class_names"])),
        attribute_names=tuple(map(str, document["attribute_names"])),
        attributes_per_class=bool(document["attributes_per_class"]),
        shorter_side=None if shorter_side is None else int(shorter_side),
        num_rows=int(document["num_rows"]),
        num_train=int(document["num_train"]),
        num_test=int(document["num_test"]),
        shards=tuple(Shard(**shard) for shard in document["shards"]),
        skipped=tuple(Skipped(**skipped) for skipped in document["skipped"]),
        checks=tuple(Check(**check) for check in document["checks"]),
        warnings=tuple(map(str, document["warnings"])),
        options=dict(document["options"]),
        has_groups=bool(document.get("has_groups", False)),
    )
