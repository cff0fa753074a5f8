"""The packed form of a dataset: Arrow files with a manifest, made once and memory-mapped.

A packed dataset is a folder, local or of an object store::

    manifest.json                 names, counts, checksums, what was left out; written last
    shards/shard-00000.arrow      Arrow IPC files, uncompressed
    shards/shard-00000.json       what packing goes on from, as is job.json

>>> manifest = pack(archive, "packed/cub")
>>> table = open_table("packed/cub")
"""

from core.data.packed._manifest import Manifest, Shard, Skipped
from core.data.packed._place import StrPath
from core.data.packed._read import attributes_of, localize, open_table, read_columns, verify
from core.data.packed._schema import packed_schema
from core.data.packed._write import (
    DEFAULT_MAX_UNREADABLE,
    DEFAULT_QUALITY,
    DEFAULT_ROWS_PER_SHARD,
    DEFAULT_SHORTER_SIDE,
    Progress,
    pack,
)

__all__ = [
    "DEFAULT_MAX_UNREADABLE",
    "DEFAULT_QUALITY",
    "DEFAULT_ROWS_PER_SHARD",
    "DEFAULT_SHORTER_SIDE",
    "Manifest",
    "Progress",
    "Shard",
    "Skipped",
    "StrPath",
    "attributes_of",
    "localize",
    "open_table",
    "pack",
    "packed_schema",
    "read_columns",
    "verify",
]
