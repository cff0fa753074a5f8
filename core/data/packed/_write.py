"""From an archive to its packed form.

Shape letters: N objects, A attributes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa

from core.data.archives import Archive
from core.data.packed._checks import check_archive, check_settings
from core.data.packed._encode import ImageTask, StoredImage, Unreadable, store_images
from core.data.packed._job import LOCK, Job
from core.data.packed._lock import locked
from core.data.packed._manifest import MANIFEST, Manifest, Skipped, read_manifest
from core.data.packed._place import TEMPORARY, Place, StrPath
from core.data.packed._pool import available_cores, ordered_map
from core.data.packed._rows import ArchiveRows, chunks
from core.data.packed._shards import (
    SHARDS,
    ShardRecord,
    finished_shards,
    shard_name,
    write_shard,
)
from core.errors import DataError

DEFAULT_SHORTER_SIDE = 550
"""What PMG resizes to before it crops 448."""

DEFAULT_QUALITY = 95
DEFAULT_ROWS_PER_SHARD = 1024
DEFAULT_MAX_UNREADABLE = 0.01

_BATCH_BYTES = 8 << 20
"""A record batch ends at this size of its images, so that memory does not grow with a shard."""


class Progress(NamedTuple):
    """How far packing has come."""

    done: int
    """Rows packed or left out, those of earlier runs included."""

    resumed: int
    """Rows of earlier runs among them."""

    total: int
    unreadable: int


def pack(
    archive: Archive,
    out: StrPath,
    *,
    shorter_side: int | None = DEFAULT_SHORTER_SIDE,
    quality: int = DEFAULT_QUALITY,
    rows_per_shard: int = DEFAULT_ROWS_PER_SHARD,
    num_workers: int | None = None,
    max_unreadable: float = DEFAULT_MAX_UNREADABLE,
    options: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Manifest:
    """Write an archive's images, labels, splits and attributes as Arrow files with a manifest.

    Called again after an interruption it does only what is left: shards count when they are whole,
    and the manifest is written last. The same archive and settings give the same bytes, whatever
    the number of workers. A row that could not be read is tried again by a later call as long as
    there is no manifest.

    Parameters
    ----------
    archive
        What a reader returned.
    out
        Folder to write: a local path, or a URI such as ``s3://bucket/prefix``.
    shorter_side
        Longest that the shorter side is kept, in pixels; None keeps images as they are.
    quality
        Of the JPEGs that are written, 1 to 95. Chroma is subsampled 4:2:0, Pillow's default.
    rows_per_shard
        Rows of the archive for each shard; unreadable ones are missing from it.
    num_workers
        Processes that decode and encode; None for one a core. With more than one, a program that
        calls this must keep its own entry point under ``if __name__ == "__main__":``.
    max_unreadable
        Share of the rows, 0 to 1, that may be unreadable.
    options
        What the reader was asked for; kept in the manifest. JSON must be able to hold it.
    on_progress
        Called whenever some rows are done.

    Returns
    -------
    Manifest
        As written.

    Raises
    ------
    ConfigError
        If a setting is outside its range, or the URI is of no known filesystem.
    DataError
        If the archive has names that repeat, if its folder is missing, if too
        many images are unreadable, if the folder holds something else or was begun with other
        settings, or if another process is packing into it.

    Examples
    --------
    >>> manifest = pack(archive, "packed/cub", shorter_side=550)
    >>> manifest.num_rows, manifest.fingerprint[:8]
    """
    num_workers = available_cores() if num_workers is None else num_workers
    check_settings(
        shorter_side, quality, rows_per_shard, num_workers, max_unreadable, options or {}
    )
    check_archive(archive)
    job = Job.of(
        archive,
        shorter_side=shorter_side,
        quality=quality,
        rows_per_shard=rows_per_shard,
        options=options or {},
    )
    place = Place.of(out)
    with ExitStack() as stack:
        if place.local is not None:
            if place.local.exists() and not place.local.is_dir():
                raise DataError(f"{place.shown!r} must be a folder, but is a file.")
            stack.enter_context(
                locked(
                    place.local / LOCK,
                    wait=False,
                    busy=f"Another process is packing into {place.shown!r}: wait for it.",
                )
            )
        job.claim(place)
        packing = _Packing(
            archive, place, job, partial(store_images, shorter_side=shorter_side, quality=quality)
        )
        if MANIFEST in place.sizes() and packing.is_whole:
            return read_manifest(place)
        _remove_unfinished(place)
        packing.run(num_workers, max_unreadable, on_progress or (lambda progress: None))
        manifest = packing.manifest(shorter_side, options or {})
        place.write(MANIFEST, manifest.to_json())
    return manifest


class _Packing:
    """One call's work: the shards that are whole, and making the others."""

    def __init__(
        self,
        archive: Archive,
        place: Place,
        job: Job,
        store: Callable[[list[ImageTask]], list[StoredImage | Unreadable]],
    ) -> None:
        self._archive = archive
        self._place = place
        self._job = job.hash
        self._store = store
        self._table = ArchiveRows(archive)
        step = job.settings["rows_per_shard"]
        self._rows = [
            range(start, min(start + step, len(archive))) for start in range(0, len(archive), step)
        ]
        self._records = finished_shards(place, self._job, len(self._rows))

    @property
    def is_whole(self) -> bool:
        return len(self._records) == len(self._rows)

    def run(
        self, num_workers: int, max_unreadable: float, on_progress: Callable[[Progress], None]
    ) -> None:
        self._records = {
            index: record for index, record in self._records.items() if not self._any_mended(record)
        }
        resumed = sum(len(self._rows[index]) for index in self._records)
        skipped = [row for record in self._records.values() for row in record.skipped]
        done = resumed

        def account(chunk: range, unreadable: list[Skipped]) -> None:
            nonlocal done
            done += len(chunk)
            skipped.extend(unreadable)
            self._check_share(skipped, max_unreadable)
            on_progress(Progress(done, resumed, len(self._archive), len(skipped)))

        self._check_share(skipped, max_unreadable)
        on_progress(Progress(done, resumed, len(self._archive), len(skipped)))
        todo = [index for index in range(len(self._rows)) if index not in self._records]
        rows = chain.from_iterable(chunks(self._rows[index]) for index in todo)
        tasks = map(self._table.tasks, rows)
        with closing(ordered_map(self._store, tasks, num_workers=num_workers)) as results:
            for index in todo:
                self._records[index] = self._pack_shard(index, results, account)

    def manifest(self, shorter_side: int | None, options: Mapping[str, Any]) -> Manifest:
        archive = self._archive
        records = [self._records[index] for index in range(len(self._rows))]
        num_rows = sum(record.shard.rows for record in records)
        num_test = sum(record.num_test for record in records)
        if num_rows == 0:
            raise DataError(
                f"At least one image of {archive.name!r} must be readable, but none is."
            )
        return Manifest(
            name=archive.name,
            class_names=archive.class_names,
            attribute_names=archive.attribute_names,
            attributes_per_class=archive.attributes_per_class,
            shorter_side=shorter_side,
            num_rows=num_rows,
            num_train=num_rows - num_test,
            num_test=num_test,
            shards=tuple(record.shard for record in records),
            skipped=tuple(skipped for record in records for skipped in record.skipped),
            checks=archive.checks,
            warnings=archive.warnings,
            options=options,
            has_groups=archive.groups_N is not None,
        )

    def _pack_shard(
        self,
        index: int,
        results: Iterator[list[StoredImage | Unreadable]],
        account: Callable[[range, list[Skipped]], None],
    ) -> ShardRecord:
        skipped: list[Skipped] = []
        num_test = 0

        def batches() -> Iterator[pa.RecordBatch]:
            nonlocal num_test
            rows: list[int] = []
            images: list[StoredImage] = []
            num_bytes = 0
            for chunk in chunks(self._rows[index]):
                unreadable: list[Skipped] = []
                for row, result in zip(chunk, next(results), strict=True):
                    if isinstance(result, Unreadable):
                        unreadable.append(Skipped(row, self._archive.files[row], result.reason))
                    else:
                        rows.append(row)
                        images.append(result)
                        num_bytes += len(result.data)
                        num_test += int(self._archive.is_test_N[row])
                skipped.extend(unreadable)
                if num_bytes >= _BATCH_BYTES:
                    yield self._table.batch(rows, images)
                    rows, images, num_bytes = [], [], 0
                account(chunk, unreadable)
            if rows:
                yield self._table.batch(rows, images)

        shard = write_shard(self._place, shard_name(index), self._table.schema, batches())
        record = ShardRecord(job=self._job, shard=shard, num_test=num_test, skipped=tuple(skipped))
        record.write(self._place, index)
        return record

    def _any_mended(self, record: ShardRecord) -> bool:
        """Whether an image that an earlier run left out of a shard can be read by now."""
        return any(
            isinstance(self._store(self._table.tasks(range(row, row + 1)))[0], StoredImage)
            for row, _, _ in record.skipped
        )

    def _check_share(self, skipped: list[Skipped], max_unreadable: float) -> None:
        if len(skipped) <= max_unreadable * len(self._archive):
            return
        examples = "; ".join(
            f"row {row}, {file!r}: {reason}" for row, file, reason in sorted(skipped)[:3]
        )
        raise DataError(
            f"At most {max_unreadable:g} of the {len(self._archive)} images may be unreadable "
            f"(`max_unreadable`), but {len(skipped)} already are: {examples}. Mend the files or "
            "raise the share, and run the same command again: what is whole is kept."
        )


def _remove_unfinished(place: Place) -> None:
    """Remove what killed runs left; called with the lock held, so nobody is writing it."""
    if place.local is not None:
        for folder in (place.local, place.local / SHARDS):
            for path in folder.glob(f"*{TEMPORARY}"):
                path.unlink()
