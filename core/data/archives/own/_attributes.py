"""Attributes of one's own pictures: a CSV or Parquet table, a row a picture or a row a class.

Shape letters: N pictures, A attributes.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from core.data.archives.files import StrPath, first_names
from core.data.naming import as_written
from core.errors import DataError

_KEYS = {
    **dict.fromkeys(("file", "file_name", "filename", "image", "path"), "image"),
    **dict.fromkeys(("class", "class_name", "label"), "class"),
}
"""What the first column may be called, and what its rows are then of."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AttributeTable:
    """Attributes of every picture."""

    names: tuple[str, ...]
    flags_NA: npt.NDArray[np.bool_]
    per_class: bool
    warnings: tuple[str, ...]


def no_attributes(num_rows: int) -> AttributeTable:
    return AttributeTable(
        names=(), flags_NA=np.zeros((num_rows, 0), dtype=np.bool_), per_class=False, warnings=()
    )


def read_attributes(
    path: StrPath,
    *,
    files: Sequence[str],
    class_names: Sequence[str],
    labels_N: npt.NDArray[np.int64],
    threshold: float | None,
) -> AttributeTable:
    """Read a table whose first column says what a row is of, and whose others are attributes.

    Parameters
    ----------
    path
        A .csv file, UTF-8 with commas, or a .parquet file. Its first column is called "file",
        "file_name", "filename", "image" or "path" where rows are of pictures, and "class",
        "class_name" or "label" where they are of classes. The others hold booleans, 0 and 1, or
        numbers.
    files, class_names, labels_N
        Of the pictures.
    threshold
        An attribute given in other numbers than 0 and 1 holds from this on.

    Raises
    ------
    DataError
        If the file is missing or malformed, if a row is given twice, or if a column is of no such
        kind.
    """
    table = _read(Path(path))
    where = repr(str(path))
    key, *names = [as_written(name.strip()) for name in table.column_names]
    kind = _KEYS.get(key.casefold())
    if kind is None:
        raise DataError(
            f"The first column of {where} must be called 'file' (a row a picture) or 'class' (a "
            f"row a class), but is called {key!r}."
        )
    if not names:
        raise DataError(
            f"{where} must have a column for each attribute beside {key!r}, but has none. Columns "
            "are separated by commas."
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated or "" in names:
        raise DataError(
            f"Each column of {where} must have a name of its own, but "
            f"{f'{repeated[0]!r} comes twice' if repeated and repeated[0] else 'one has none'}."
        )
    columns = [_flags(table.column(1 + i), names[i], where, threshold) for i in range(len(names))]
    flags_RA = np.stack([flags for flags, _ in columns], axis=1)
    is_known_RA = np.stack([is_known for _, is_known in columns], axis=1)

    row_of = _rows_by_key(table.column(0), key, where)
    per_class = kind == "class"
    wanted = [class_names[label] for label in labels_N] if per_class else list(files)
    row_N = np.array([row_of.get(as_written(text), -1) for text in wanted], dtype=np.int64)
    if (row_N < 0).all():
        raise DataError(
            f"The column {key!r} of {where} must name the {'classes' if per_class else 'pictures'}"
            f", such as {wanted[0]!r}, but names none of them; its first is {next(iter(row_of))!r}."
        )
    is_known_NA = is_known_RA[row_N] & (row_N >= 0)[:, None]
    flags_NA = flags_RA[row_N] & is_known_NA
    return AttributeTable(
        names=tuple(names),
        flags_NA=flags_NA,
        per_class=per_class,
        warnings=tuple(_warnings(where, kind, wanted, row_of, row_N, names, is_known_NA, flags_NA)),
    )


def _read(path: Path) -> pa.Table:
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise DataError(
            f"A table of attributes must end in .csv or .parquet, but got {str(path)!r}."
        )
    if not path.is_file():
        raise DataError(f"The table of attributes must be a file, but {str(path)!r} is none.")
    try:
        if path.suffix.lower() == ".parquet":
            return pa.parquet.read_table(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
        # A class may be called "1" or "NA".
        first = {header[0]: pa.string()} if header else {}
        return pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(column_types=first))
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{str(path)!r} cannot be read as a table: {error}.") from error


def _flags(
    column: pa.ChunkedArray, name: str, where: str, threshold: float | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which rows have the attribute, and for which that is known."""
    kind = column.type
    if pa.types.is_null(kind):
        nothing = np.zeros(len(column), dtype=np.bool_)
        return nothing, nothing
    if pa.types.is_boolean(kind):
        filled = pc.fill_null(column, False).to_numpy()
        return filled.astype(np.bool_), column.is_valid().to_numpy().astype(np.bool_)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        example = next((value for value in column.to_pylist() if value is not None), None)
        raise DataError(
            f"Attribute {name!r} of {where} must hold booleans, 0 and 1, or numbers, but holds "
            f"{example!r}. Give each value a column of its own."
        )
    values_R = pc.cast(column, pa.float64()).to_numpy()  # null is NaN
    is_known_R = ~np.isnan(values_R)
    if np.isin(values_R[is_known_R], (0, 1)).all():
        return values_R == 1, is_known_R
    if threshold is None:
        other = values_R[is_known_R & ~np.isin(values_R, (0, 1))][0]
        raise DataError(
            f"Attribute {name!r} of {where} holds numbers other than 0 and 1, such as {other:g}: "
            "say with `threshold` from which number on an attribute holds "
            "(--option threshold=0.5)."
        )
    return values_R >= threshold, is_known_R


def _rows_by_key(column: pa.ChunkedArray, key: str, where: str) -> dict[str, int]:
    row_of: dict[str, int] = {}
    for row, value in enumerate(column.to_pylist()):
        text = as_written(str(value)).removeprefix("./") if value is not None else ""
        if not text:
            raise DataError(
                f"Each row of {where} must have its {key!r}, but row {row + 1} has none."
            )
        if text in row_of:
            raise DataError(
                f"{text!r} must have one row in {where}, but has rows {row_of[text] + 1} and "
                f"{row + 1}."
            )
        row_of[text] = row
    if not row_of:
        raise DataError(f"{where} must have rows, but has none.")
    return row_of


def _warnings(
    where: str,
    kind: str,
    wanted: Sequence[str],
    row_of: dict[str, int],
    row_N: npt.NDArray[np.int64],
    names: Sequence[str],
    is_known_NA: npt.NDArray[np.bool_],
    flags_NA: npt.NDArray[Any],
) -> list[str]:
    what = "Classes" if kind == "class" else "Pictures"
    sentences = []
    rowless = list(dict.fromkeys(wanted[row] for row in np.flatnonzero(row_N < 0).tolist()))
    if rowless:
        sentences.append(
            f"{what} without a row in {where} ({len(rowless)}): {first_names(rowless)}. Their "
            "attributes are missing."
        )
    known = {as_written(text) for text in wanted}
    strangers = [text for text in row_of if text not in known]
    if strangers:
        sentences.append(
            f"Rows of {where} of no {kind} that is here ({len(strangers)}): "
            f"{first_names(strangers)}."
        )
    missing_A = np.count_nonzero(~is_known_NA, axis=0)
    if missing_A.any():
        most = int(missing_A.argmax())
        sentences.append(
            f"Attribute values that are missing are taken as absent ({int(missing_A.sum())} of "
            f"{is_known_NA.size}, of {names[most]!r} most: {int(missing_A[most])})."
        )
    occurs_A = np.asarray(flags_NA.any(axis=0))
    never = [name for name, occurs in zip(names, occurs_A, strict=True) if not occurs]
    if never:
        sentences.append(f"Attributes that no picture has ({len(never)}): {first_names(never)}.")
    return sentences
