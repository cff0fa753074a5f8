"""CUB's 3,677,856 attribute lines, read as columns.

Shape letters: N images, A attributes, L lines.
"""

import io
from array import array
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from core.data.archives.files import Layout, Line, read_content, whole_number
from core.errors import DataError

_RULE = (
    "A line of image_attribute_labels.txt must open with <image> <attribute> <present: 0 or 1> "
    "<certainty: 1 to 4>, ids as in images.txt and attributes.txt"
)
_TYPES = {
    "image": pa.int32(),
    "attribute": pa.int32(),
    "present": pa.int8(),
    "certainty": pa.int8(),
}
_Integers = npt.NDArray[np.signedinteger[Any]]


class AttributeLabels(NamedTuple):
    """What the annotators said of each attribute of each image."""

    present_NA: npt.NDArray[np.bool_]
    certainty_NA: npt.NDArray[np.int8]
    """1 not visible, 2 guessing, 3 probably, 4 definitely."""


class _Lines(NamedTuple):
    image_L: _Integers
    attribute_L: _Integers
    present_L: _Integers
    certainty_L: _Integers


def read_attribute_labels(
    path: Path, image_ids: Collection[int], attribute_ids: Collection[int], layout: Layout
) -> AttributeLabels:
    """Read the first four fields of every line, and put them in the order of the ids.

    Lines may come in any order. What follows the fourth field is not read: it is the seconds an
    annotator took, and images 2275 and 9364 have a further column and double spaces before it.

    Raises
    ------
    DataError
        If a line breaks the form, if an attribute of an image is missing (the file is then cut
        short, and False would be a claim nobody made), or if it is stated twice.
    """
    content = read_content(path, layout)
    lines = _read_columns(content)
    if lines is None or not _are_lawful(lines, image_ids, attribute_ids):
        # Only the slow way knows the number of the line at fault.
        lines = read_line_by_line(content, path, image_ids, attribute_ids)
    shape = (len(image_ids), len(attribute_ids))
    cell_L = np.ravel_multi_index(
        (_places(lines.image_L, image_ids), _places(lines.attribute_L, attribute_ids)), shape
    )
    counts_NA = np.bincount(cell_L, minlength=shape[0] * shape[1]).reshape(shape)
    _check_complete(counts_NA, path, image_ids, attribute_ids)
    labels = AttributeLabels(np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.int8))
    labels.present_NA.flat[cell_L] = lines.present_L
    labels.certainty_NA.flat[cell_L] = lines.certainty_L
    return labels


def _read_columns(content: bytes) -> _Lines | None:
    """Read in bulk; None if some line is not as it should be."""
    odd: list[bytes] = []

    def keep(row: csv.InvalidRow) -> str:
        odd.append(row.text.encode())
        return "skip"

    if not content.isascii() or b"x" in content or b"X" in content:
        return None  # Arrow takes 0x1 for a number, and fails on an odd line that is no UTF-8
    try:
        table = csv.read_csv(
            pa.BufferReader(content),
            read_options=csv.ReadOptions(column_names=[*_TYPES, "seconds"], use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=" ", quote_char=False, invalid_row_handler=keep
            ),
            convert_options=csv.ConvertOptions(include_columns=_TYPES, column_types=_TYPES),
        )
        odd_lines = [_four_fields(text) for text in odd if text.strip()]
    except (pa.ArrowInvalid, ValueError):
        return None
    if any(column.null_count for column in table.columns):
        return None
    odd_L4 = np.array(odd_lines, dtype=np.int64).reshape(-1, 4)
    columns = [column.to_numpy() for column in table.columns]
    if len(odd_L4):
        columns = [
            np.concatenate([column, odd_L]) for column, odd_L in zip(columns, odd_L4.T, strict=True)
        ]
    return _Lines(*columns)


def read_line_by_line(
    content: bytes, path: Path, image_ids: Collection[int], attribute_ids: Collection[int]
) -> _Lines:
    known_images, known_attributes = frozenset(image_ids), frozenset(attribute_ids)
    values = array("q")
    for number, text in enumerate(io.BytesIO(content), start=1):
        if not text.strip():
            continue
        try:
            image, attribute, present, certainty = _four_fields(text)
            is_lawful = (
                image in known_images
                and attribute in known_attributes
                and present in (0, 1)
                and 1 <= certainty <= 4
            )
        except ValueError:
            is_lawful = False
        if not is_lawful:
            raise Line(path, number, text.decode(errors="replace").strip()).error(_RULE)
        values.extend((image, attribute, present, certainty))
    return _Lines(*np.array(values, dtype=np.int64).reshape(-1, 4).T)


def _four_fields(text: bytes) -> tuple[int, int, int, int]:
    image, attribute, present, certainty = map(whole_number, text.decode().split(maxsplit=4)[:4])
    return image, attribute, present, certainty


def _are_lawful(lines: _Lines, image_ids: Collection[int], attribute_ids: Collection[int]) -> bool:
    return bool(
        len(lines.image_L)
        and np.isin(lines.image_L, np.fromiter(image_ids, dtype=np.int64)).all()
        and np.isin(lines.attribute_L, np.fromiter(attribute_ids, dtype=np.int64)).all()
        and np.isin(lines.present_L, (0, 1)).all()
        and np.isin(lines.certainty_L, (1, 2, 3, 4)).all()
    )


def _places(values_L: _Integers, ids: Collection[int]) -> npt.NDArray[np.int64]:
    """Return where each value stands among the ids, all of which are known."""
    ids_in_order = np.fromiter(ids, dtype=np.int64)
    ascending = np.argsort(ids_in_order)
    places: npt.NDArray[np.int64] = ascending[
        np.searchsorted(ids_in_order, values_L, sorter=ascending)
    ]
    return places


def _check_complete(
    counts_NA: npt.NDArray[np.int64],
    path: Path,
    image_ids: Collection[int],
    attribute_ids: Collection[int],
) -> None:
    for wrong_NA, what, remedy in (
        (counts_NA == 0, "has no line", "The file seems cut short: unpack the archive again."),
        (counts_NA > 1, "has several lines", "Keep one of them."),
    ):
        if wrong_NA.any():
            row, column = np.argwhere(wrong_NA)[0]
            raise DataError(
                f"{str(path)!r} must have one line for each attribute of each image, but attribute "
                f"{list(attribute_ids)[column]} of image {list(image_ids)[row]} {what}, as have "
                f"{np.count_nonzero(wrong_NA)} of {wrong_NA.size} pairs in all. {remedy}"
            )
