"""Reading a packed dataset: memory-mapped where it lies, or copied once from elsewhere."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import fs

from core.data.packed._lock import locked
from core.data.packed._manifest import MANIFEST, Manifest, Shard, read_manifest
from core.data.packed._place import Place, StrPath
from core.data.packed._schema import ATTRIBUTES, OPTIONAL
from core.errors import ConfigError, DataError

_PIECE = 8 << 20


def open_table(path: StrPath) -> pa.Table:
    """Memory-map a local packed dataset.

    Nothing is copied: pages are read when rows are, and processes of one machine share them.

    Parameters
    ----------
    path
        Its folder.

    Returns
    -------
    pyarrow.Table
        One row an image, in the archive's order: image (large_binary, an encoded JPEG or PNG),
        label (int32), is_test (bool), attributes (fixed_size_list of bool; absent in data without
        attributes), file (string), row (int64, the row in the archive), height and width (int32,
        pixels of the stored image), crc32 (uint32, of the stored image's bytes), and group (int64)
        where the reader gave groups.

    Raises
    ------
    ConfigError
        If the path is a URI of another machine.
    DataError
        If there is no whole packed dataset, or a shard has not the size, the columns or the rows
        of the manifest.
    """
    place = Place.of(path)
    if place.local is None:
        raise ConfigError(
            f"{place.shown!r} is not on this machine: `localize` it first, and open that folder."
        )
    manifest = read_manifest(place)
    _check_sizes(place, manifest)
    tables = []
    for shard in manifest.shards:
        with _shard_errors(place, shard):
            # The table keeps the mapping; the file itself can be closed.
            source = pa.memory_map(str(place.local / shard.file), "r")
            tables.append(_checked(pa.ipc.open_file(source).read_all(), place, manifest, shard))
    return pa.concat_tables(tables)


def read_columns(path: StrPath, columns: Sequence[str]) -> pa.Table:
    """Read some columns of a packed dataset that lies anywhere, and none of the others' bytes.

    Columns that the dataset does not have, such as attributes, are absent.

    Raises
    ------
    ConfigError
        If the URI is of no known filesystem.
    DataError
        As `open_table`.
    """
    place = Place.of(path)
    manifest = read_manifest(place)
    _check_sizes(place, manifest)
    schema = manifest.schema
    names = [name for name in columns if name in schema.names or name not in OPTIONAL]
    options = pa.ipc.IpcReadOptions(
        included_fields=sorted(schema.get_field_index(name) for name in names)
    )
    tables = []
    for shard in manifest.shards:
        with _shard_errors(place, shard):
            with place.filesystem.open_input_file(f"{place.base}/{shard.file}") as source:
                table = pa.ipc.open_file(source, options=options).read_all()
            if table.num_rows != shard.rows:
                raise _wrong_rows(place, shard, table.num_rows)
            tables.append(table.select(names))
    return pa.concat_tables(tables)


def attributes_of(table: pa.Table, num_attributes: int) -> npt.NDArray[np.bool_]:
    """The column of attributes as a matrix, shape (rows, attributes); without one, no columns."""
    if not num_attributes:
        return np.zeros((table.num_rows, 0), dtype=np.bool_)
    flags = table[ATTRIBUTES].combine_chunks().flatten()
    matrix: npt.NDArray[np.bool_] = flags.to_numpy(zero_copy_only=False)
    return matrix.reshape(-1, num_attributes)


def verify(path: StrPath) -> None:
    """Compare every byte of a packed dataset with its manifest.

    Raises
    ------
    ConfigError
        If the URI is of no known filesystem.
    DataError
        If there is no whole packed dataset, or with the shard that differs.
    """
    place = Place.of(path)
    manifest = read_manifest(place)
    _check_sizes(place, manifest)
    for shard in manifest.shards:
        digest = hashlib.sha256()
        for piece in _pieces(place, shard):
            digest.update(piece)
        _check_digest(place, shard, digest.hexdigest())


def localize(path: StrPath, cache_dir: str | PathLike[str]) -> Path:
    """Bring a packed dataset onto this machine, once, and return its folder.

    Any number of processes may call this at once: one copies, the others wait for it. A copy that
    was interrupted goes on where it was.

    Parameters
    ----------
    path
        The packed dataset. A local folder is returned as it is.
    cache_dir
        Folder of this machine to keep copies in, each under the name of its fingerprint.

    Raises
    ------
    ConfigError
        If the URI is of no known filesystem.
    DataError
        If there is no whole packed dataset, if what arrives is not what the manifest says, or if
        an earlier copy is damaged.
    """
    place = Place.of(path)
    manifest = read_manifest(place)
    if place.local is not None:
        return place.local
    target = Path(cache_dir) / f"packed-{manifest.fingerprint}"
    copy = Place.of(target)
    with locked(target.with_suffix(".lock"), wait=True):
        if not target.exists():
            folder = target.with_suffix(".part")
            unfinished = Place.of(folder)
            for shard in manifest.shards:
                _fetch(place, unfinished, shard)
            unfinished.write(MANIFEST, manifest.to_json())
            folder.rename(target)
    _check_sizes(copy, read_manifest(copy))
    return target


def _fetch(place: Place, copy: Place, shard: Shard) -> None:
    folder, _, name = shard.file.rpartition("/")
    if copy.sizes(folder).get(name) == shard.bytes:
        return  # a file takes its name when it is whole and verified
    digest = hashlib.sha256()
    with copy.create(shard.file) as file:
        for piece in _pieces(place, shard):
            file.write(piece)
            digest.update(piece)
        _check_digest(place, shard, digest.hexdigest())


def _pieces(place: Place, shard: Shard) -> Iterator[bytes]:
    path = f"{place.base}/{shard.file}"
    with place.filesystem.open_input_stream(path, compression=None) as stream:
        while piece := stream.read(_PIECE):
            yield piece


def _check_digest(place: Place, shard: Shard, found: str) -> None:
    if found != shard.sha256:
        raise DataError(
            f"{shard.file} in {place.shown!r} must have the SHA-256 {shard.sha256}, but has "
            f"{found}: it is damaged. Pack anew, or copy it again from where it is whole."
        )


def _check_sizes(place: Place, manifest: Manifest) -> None:
    paths = [f"{place.base}/{shard.file}" for shard in manifest.shards]
    for shard, info in zip(manifest.shards, place.filesystem.get_file_info(paths), strict=True):
        if info.type != fs.FileType.File:
            found = "is missing"
        elif info.size != shard.bytes:
            found = f"has {info.size}"
        else:
            continue
        raise DataError(
            f"{shard.file} in {place.shown!r} must have {shard.bytes} bytes, but {found}. Pack "
            "anew, or copy it again from where it is whole."
        )


def _checked(table: pa.Table, place: Place, manifest: Manifest, shard: Shard) -> pa.Table:
    schema = manifest.schema
    if not table.schema.equals(schema):
        raise DataError(
            f"{shard.file} in {place.shown!r} must have the columns {_shown(schema)}, but has "
            f"{_shown(table.schema)}."
        )
    if table.num_rows != shard.rows:
        raise _wrong_rows(place, shard, table.num_rows)
    return table


def _shown(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _wrong_rows(place: Place, shard: Shard, found: int) -> DataError:
    return DataError(
        f"{shard.file} in {place.shown!r} must have {shard.rows} rows, but has {found}."
    )


@contextmanager
def _shard_errors(place: Place, shard: Shard) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise DataError(
            f"{shard.file} in {place.shown!r} must be an Arrow file, but cannot be read: {error}. "
            "Pack anew, or copy it again from where it is whole."
        ) from error
