"""One Parquet file of labelled pictures, and pictures of several by row.

Shape letters: R rows of a file.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.naming import as_written
from core.errors import DataError, did_you_mean

_NO_LABEL = -1
"""What Hugging Face's data sets write where a label is withheld."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ParquetFile:
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
    def open(cls, path: Path, folder: Path, image_column: str, label_column: str) -> "ParquetFile":
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


class RowBytes:
    """See `core.data.archives.Contents`. Keeps the row group that was read last."""

    def __init__(self, files: Sequence[ParquetFile], kept: Sequence[int]) -> None:
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


def _is_large(kind: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(kind))
