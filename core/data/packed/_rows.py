"""Rows of an archive: what a worker is sent for them, and the columns that come of it.

Shape letters: N objects, A attributes.
"""

import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from core.data.archives import Archive
from core.data.packed._encode import Box, ImageTask, StoredImage
from core.data.packed._schema import (
    ATTRIBUTES,
    CRC32,
    FILE,
    GROUP,
    HEIGHT,
    IMAGE,
    IS_TEST,
    LABEL,
    ROW,
    WIDTH,
    packed_schema,
)

_CHUNK_ROWS = 8
"""Images that a worker is sent at once."""


def chunks(rows: range) -> Iterator[range]:
    """Cut rows into what a worker is sent at once."""
    for start in range(rows.start, rows.stop, _CHUNK_ROWS):
        yield range(start, min(start + _CHUNK_ROWS, rows.stop))


class ArchiveRows:
    """The rows of an archive as tasks and as record batches."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.schema = packed_schema(
            len(archive.attribute_names), has_groups=archive.groups_N is not None
        )

    def tasks(self, rows: range) -> list[ImageTask]:
        root, files, contents = self._archive.root, self._archive.files, self._archive.contents
        given = [None] * len(rows) if contents is None else contents.read(rows)
        return [
            ImageTask(str(root / files[row]), self._box(row), content)
            for row, content in zip(rows, given, strict=True)
        ]

    def batch(self, rows: list[int], images: list[StoredImage]) -> pa.RecordBatch:
        """Columns of some rows, whose images are given."""
        archive = self._archive
        columns = {
            IMAGE: pa.array([image.data for image in images], pa.large_binary()),
            LABEL: pa.array(archive.labels_N[rows], pa.int32()),
            IS_TEST: pa.array(archive.is_test_N[rows]),
            FILE: pa.array([archive.files[row] for row in rows], pa.string()),
            ROW: pa.array(rows, pa.int64()),
            HEIGHT: pa.array([image.height for image in images], pa.int32()),
            WIDTH: pa.array([image.width for image in images], pa.int32()),
            CRC32: pa.array([zlib.crc32(image.data) for image in images], pa.uint32()),
        }
        if archive.attribute_names:
            flags = pa.array(archive.attributes_NA[rows].reshape(-1))
            columns[ATTRIBUTES] = pa.FixedSizeListArray.from_arrays(
                flags, len(archive.attribute_names)
            )
        if archive.groups_N is not None:
            columns[GROUP] = pa.array(archive.groups_N[rows], pa.int64())
        return pa.record_batch([columns[name] for name in self.schema.names], schema=self.schema)

    def _box(self, row: int) -> Box | None:
        if not self._archive.crops or self._archive.boxes_N4 is None:
            return None
        box = self._archive.boxes_N4[row]
        if np.isnan(box).all():
            return None
        left, top, right, bottom = box.tolist()
        return left, top, right, bottom
