"""Pictures in Parquet files, as Hugging Face's data sets have them.

Shape letters: N pictures.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.archives._table import Archive
from core.data.archives.files import StrPath, first_names
from core.data.archives.own._build import Found, Options, build_archive, check_text
from core.data.archives.own._names import part_of
from core.data.naming import as_written
from core.errors import DataError, did_you_mean

__all__ = ["read_parquet"]

_NO_LABEL = -1
"""What Hugging Face's data sets write where a label is withheld."""


def read_parquet(
    root: StrPath,
    *,
    dataset_name: str | None = None,
    image_column: str = "image",
    label_column: str = "label",
    test_share: float = 0.3,
    test_seed: int = 0,
    near_duplicates: bool = True,
    attributes: str | None = None,
    threshold: float | None = None,
) -> Archive:
    """Read pictures from Parquet files: one row a picture, in the order of the files and rows.

    The picture is a struct with its file's ``bytes``, and perhaps a ``path``, or the bytes alone;
    its label an integer or a string. Names of integer labels are those that Hugging Face keeps in
    the schema's metadata, where they are there. Files whose names or folders begin with "train",
    "validation" and "test" give the split, as in ``train-00000-of-00002.parquet``.

    Parameters
    ----------
    root
        A file, or a folder with .parquet files below it.
    dataset_name
        What the data set is called; None for the name of the folder or file.
    image_column, label_column
        Names of the two columns.
    test_share, test_seed, near_duplicates, attributes, threshold
        As in `read_folder`. A table of attributes names pictures by their ``path``.

    Returns
    -------
    Archive
        Its images' bytes stay in the Parquet files.

    Raises
    ------
    ConfigError
        If an option is not legal.
    DataError
        If a file is malformed or lacks a column, if files differ in what they hold, or as
        `read_folder`.

    Examples
    --------
    >>> archive = read_parquet("beans/data")  # doctest: +SKIP
    >>> archive.class_names  # doctest: +SKIP
    ('angular_leaf_spot', 'bean_rust', 'healthy')
    """
    options = Options(
        dataset_name=dataset_name,
        test_share=test_share,
        test_seed=test_seed,
        near_duplicates=near_duplicates,
        attributes=attributes,
        threshold=threshold,
    )
    check_text("image_column", image_column)
    check_text("label_column", label_column)
    start = Path(root).absolute()
    folder = start.parent if start.is_file() else start
    files = [
        _File.open(path, folder, image_column, label_column) for path in _files_at(start, folder)
    ]
    _check_alike(files)
    labels = [label for file in files for label in file.labels]
    is_kept_N = np.array([label is not None for label in labels], dtype=np.bool_)
    if not is_kept_N.any():
        raise DataError(f"{str(start)!r} must have rows with a label, but has none.")
    kept: list[int] = np.flatnonzero(is_kept_N).tolist()
    names = _row_names(files)
    parts = _row_parts(files, start)
    found = Found(
        root=folder,
        title=start.stem if start.is_file() else start.name,
        files=[names[row] for row in kept],
        classes=[str(labels[row]) for row in kept],
        order=_order(files, labels),
        parts=None if parts is None else [parts[row] for row in kept],
        where="labels",
        contents=_RowBytes(files, kept),
        warnings=_left_out(names, is_kept_N),
    )
    return build_archive(found, options)


@dataclass(frozen=True, kw_only=True, eq=False)
class _File:
    """One Parquet file without its pictures."""

    path: Path
    shown: str
    """Relative to the folder."""

    bytes_column: str
    labels: Sequence[str | None]
    """Class of each row; None where there is none."""

    is_numbered: bool
    """Whether labels are integers without names."""

    class_names: tuple[str, ...] | None
    """Those of the metadata, in their order."""

    paths: Sequence[str | None]

    @classmethod
    def open(cls, path: Path, folder: Path, image_column: str, label_column: str) -> "_File":
        shown = path.relative_to(folder).as_posix()
        try:
            with pq.ParquetFile(path) as file:
                schema = file.schema_arrow
                bytes_column, path_column = _image_columns(schema, image_column, shown)
                kind = _field(schema, label_column, shown, "label_column").type
                columns = [label_column, *((path_column,) if path_column else ())]
                table = file.read(columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{str(path)!r} cannot be read as Parquet: {error}.") from error
        names = _class_names(schema, label_column, shown)
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or _is_large(kind)):
            raise DataError(
                f"Column {label_column!r} of {shown!r} must hold integers or strings, but holds "
                f"{kind}."
            )
        values = table.column(label_column).to_pylist()
        is_integer = pa.types.is_integer(kind)
        paths: Sequence[str | None] = [None] * len(values)
        if path_column:
            paths = table.column(image_column).combine_chunks().field("path").to_pylist()
        return cls(
            path=path,
            shown=shown,
            bytes_column=bytes_column,
            labels=[_label(value, names if is_integer else None, shown) for value in values],
            is_numbered=is_integer and names is None,
            class_names=names if is_integer else None,
            paths=paths,
        )

    @cached_property
    def first_rows(self) -> npt.NDArray[np.int64]:
        """Of each row group, and the number of rows at the end."""
        metadata = pq.read_metadata(self.path)
        sizes = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
        return np.cumsum([0, *sizes])

    def group_bytes(self, group: int) -> list[bytes | None]:
        """Pictures of a row group."""
        column, _, inner = self.bytes_column.partition(".")
        with pq.ParquetFile(self.path) as file:
            found = file.read_row_group(group, columns=[self.bytes_column]).column(column)
        values = found.combine_chunks().field(inner) if inner else found
        pictures: list[bytes | None] = values.to_pylist()
        return pictures


class _RowBytes:
    """See `core.data.archives.Contents`. Keeps the row group that was read last."""

    def __init__(self, files: Sequence[_File], kept: Sequence[int]) -> None:
        self._files = files
        self._first_rows = np.cumsum([0, *(len(file.labels) for file in files)])
        self._kept = kept
        self._last: tuple[tuple[int, int], list[bytes | None]] | None = None

    def read(self, rows: Sequence[int]) -> list[bytes]:
        return [self._picture(self._kept[row]) for row in rows]

    def _picture(self, row: int) -> bytes:
        number = int(np.searchsorted(self._first_rows, row, side="right")) - 1
        file, inside = self._files[number], row - int(self._first_rows[number])
        group = int(np.searchsorted(file.first_rows, inside, side="right")) - 1
        if self._last is None or self._last[0] != (number, group):
            self._last = (number, group), file.group_bytes(group)
        return self._last[1][inside - int(file.first_rows[group])] or b""


def _files_at(start: Path, folder: Path) -> list[Path]:
    if start.is_file():
        return [start]
    if not start.is_dir():
        raise DataError(f"`root` must be a Parquet file or a folder of some, not {str(start)!r}.")
    found = [
        path
        for path in sorted(folder.rglob("*.parquet"))
        if not any(word.startswith(".") for word in path.relative_to(folder).parts)
    ]
    if not found:
        raise DataError(f"{str(folder)!r} must hold .parquet files, but has none below it.")
    return found


def _image_columns(schema: pa.Schema, name: str, shown: str) -> tuple[str, str | None]:
    """Where the bytes are, and the path if there is one."""
    kind = _field(schema, name, shown, "image_column").type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return name, None
    inner = {field.name for field in kind} if pa.types.is_struct(kind) else set()
    if "bytes" not in inner:
        raise DataError(
            f"Column {name!r} of {shown!r} must hold pictures, as bytes or as a struct with "
            f"'bytes', but holds {kind}. Name another with --option image_column=NAME."
        )
    return f"{name}.bytes", f"{name}.path" if "path" in inner else None


def _field(schema: pa.Schema, name: str, shown: str, option: str) -> pa.Field:
    if name not in schema.names:
        raise DataError(
            f"{shown!r} must have the column {name!r}, but has {', '.join(schema.names)}. Name "
            f"another with --option {option}=NAME.{did_you_mean(name, schema.names)}"
        )
    return schema.field(name)


def _class_names(schema: pa.Schema, label_column: str, shown: str) -> tuple[str, ...] | None:
    """Names that Hugging Face keeps beside the schema; None where it keeps none."""
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return None
    try:
        feature = json.loads(text)["info"]["features"].get(label_column, {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"The metadata 'huggingface' of {shown!r} must be as its library writes it, but is "
            f"malformed: {error!r}."
        ) from error
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(as_written(str(name)) for name in names) if names else None


def _label(value: Any, names: Sequence[str] | None, shown: str) -> str | None:
    if value in (None, _NO_LABEL, ""):
        return None
    if names is None:
        return as_written(str(value))
    if not 0 <= value < len(names):
        raise DataError(
            f"Labels of {shown!r} must lie in [0, {len(names)}), since there are so many class "
            f"names, but one is {value}."
        )
    return names[int(value)]


def _check_alike(files: Sequence[_File]) -> None:
    first = files[0]
    for file in files[1:]:
        if (file.class_names, file.is_numbered) != (first.class_names, first.is_numbered):
            raise DataError(
                f"All Parquet files must have the same kind of label and class names, but those "
                f"of {first.shown!r} and {file.shown!r} differ. Give the files of one data set."
            )


def _order(files: Sequence[_File], labels: Sequence[str | None]) -> Sequence[str] | None:
    if files[0].is_numbered:
        return sorted({label for label in labels if label is not None}, key=int)
    return files[0].class_names


def _row_names(files: Sequence[_File]) -> list[str]:
    """What a row's picture is called: its path, or the file and row where paths name none."""
    paths = [path for file in files for path in file.paths]
    if all(paths) and len(set(paths)) == len(paths):
        return [as_written(str(path)) for path in paths]
    return [f"{file.shown}#{row}" for file in files for row in range(len(file.labels))]


def _row_parts(files: Sequence[_File], start: Path) -> list[str] | None:
    """The part of each row, by the files' names; None where they name none but training."""
    parts = [_part_of_file(file.shown) for file in files]
    named = {part for part in parts if part is not None}
    if named <= {"train"}:
        return None
    if None in parts:
        stranger = files[parts.index(None)].shown
        raise DataError(
            f"All Parquet files in {str(start)!r} must be of a part where some are, but "
            f"{stranger!r} is of none: let its name begin with train, validation or test."
        )
    return [str(part) for part, file in zip(parts, files, strict=True) for _ in file.labels]


def _part_of_file(shown: str) -> str | None:
    *folders, name = shown.split("/")
    words = [re.split(r"[-_.]", name)[0], *reversed(folders)]
    return next((part for word in words if (part := part_of(word)) is not None), None)


def _left_out(names: Sequence[str], is_kept_N: npt.NDArray[np.bool_]) -> list[str]:
    without = [names[row] for row in np.flatnonzero(~is_kept_N).tolist()]
    if not without:
        return []
    return [f"Pictures without a label are left out ({len(without)}): {first_names(without)}."]


def _is_large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind))
