"""Shards and their records: an Arrow file counts when its record says so, and not before."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from core.data.packed._manifest import Shard, Skipped
from core.data.packed._place import BinarySink, Place

SHARDS = "shards"


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """What a shard holds; lies beside it as JSON, and is written after it."""

    job: str
    shard: Shard
    num_test: int
    skipped: tuple[Skipped, ...]

    def write(self, place: Place, index: int) -> None:
        document = {
            "job": self.job,
            "shard": self.shard._asdict(),
            "num_test": self.num_test,
            "skipped": [skipped._asdict() for skipped in self.skipped],
        }
        content = json.dumps(document, indent=1, ensure_ascii=False)
        place.write(record_name(index), content.encode() + b"\n")


def shard_name(index: int) -> str:
    return f"{SHARDS}/shard-{index:05d}.arrow"


def record_name(index: int) -> str:
    return f"{SHARDS}/shard-{index:05d}.json"


def finished_shards(place: Place, job: str, num_shards: int) -> dict[int, ShardRecord]:
    """Records of the job's shards that are whole; all others are to be packed."""
    sizes = place.sizes(SHARDS)
    found: dict[int, ShardRecord] = {}
    for index in range(num_shards):
        file, record_file = (
            name.removeprefix(f"{SHARDS}/") for name in (shard_name(index), record_name(index))
        )
        if file not in sizes or record_file not in sizes:
            continue
        record = _parsed(place.read(record_name(index)))
        if record is not None and record.job == job and record.shard.bytes == sizes[file]:
            found[index] = record
    return found


def write_shard(
    place: Place, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Shard:
    """Write record batches as an Arrow IPC file, one at a time, and return what it is known by."""
    rows = 0
    with place.create(name) as file:
        sink = _HashingSink(file)
        # The writer closes the sink it is given; the file is its maker's to close.
        with pa.PythonFile(sink, mode="w") as stream, pa.ipc.new_file(stream, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
    return Shard(file=name, rows=rows, bytes=sink.size, sha256=sink.digest.hexdigest())


class _HashingSink:
    """Passes on what it is given, and keeps its length and SHA-256."""

    def __init__(self, file: BinarySink) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._file.write(view)
        self.digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True


def _parsed(content: bytes) -> ShardRecord | None:
    """None for a record that was not written whole."""
    try:
        document = json.loads(content)
        return ShardRecord(
            job=str(document["job"]),
            shard=Shard(**document["shard"]),
            num_test=int(document["num_test"]),
            skipped=tuple(Skipped(**skipped) for skipped in document["skipped"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
