"""What a trained extractor says of every picture in a folder, as one Parquet or CSV table.

``python -m core.extract MODEL_DIR IMAGES_DIR --output features.parquet``
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import torch
from rich.console import Console
from rich.progress import track

from core.command import OneLineParser
from core.errors import ConfigError, CoreError, DataError
from core.extractor import (
    PICTURE_SUFFIXES,
    AttributeExtractor,
    binarize,
    load_picture,
    matched,
)

__all__ = ["extract_pictures", "find_pictures", "main"]

_GROUP_ROWS = 1024
"""Rows of a Parquet row group: each holds a header for every column, so small ones cost much."""

_GROUP_BITS = 2**22
"""Entries of b(v) in a row group, where it is written: they all lie in memory for a moment."""

_FIXED = (
    *("file", "levels", "attributes", "net_class", "net_probability"),
    *("tree_class", "tree_probability", "reason"),
)


_SUFFIXES = (".parquet", ".csv")


def find_pictures(folder: Path) -> list[Path]:
    """All files below a folder that end as pictures do, sorted by their relative path.

    Raises
    ------
    DataError
        If there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"{str(folder)!r} is no folder: give the one that holds the pictures.")
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()
    ]
    if not found:
        raise DataError(
            f"{str(folder)!r} holds no picture: looked below it for files that end in "
            f"{', '.join(PICTURE_SUFFIXES)}."
        )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def extract_pictures(
    extractor: AttributeExtractor,
    files: Sequence[Path],
    out: Path,
    *,
    folder: Path,
    batch_size: int = 32,
    progress: bool = False,
) -> list[str]:
    """Write one row a picture; pictures that cannot be read are left out.

    Parameters
    ----------
    extractor
        Trained on images of 1 or 3 channels.
    files
        The pictures, in the order of the rows.
    out
        A .parquet or .csv file. It appears when it is whole. Columns: file (path relative to
        `folder`), levels (list of uint8), one bool column for each attribute that has a match, by
        its name (without any: attributes, b(v) as a list of bool), net_class, net_probability; of a
        method with a tree, tree_class, tree_probability; and of one with a tree or prototypes,
        reason. An attribute called as one of these has "attribute " before its name. CSV has no
        lists: levels are columns there, feature_0, feature_1 and so on, and b(v), which follows
        from them, is left out.
    folder
        All files lie below it.
    batch_size
        Pictures that are held and go through the network at once.
    progress
        Whether to show a bar on the standard error.

    Returns
    -------
    list of str
        A sentence for each picture that could not be read.

    Raises
    ------
    DataError
        If the extractor does not take pictures.
    """
    if extractor.trained_.scaling is not None or extractor.trained_.input_shape[0] not in (1, 3):
        raise DataError(
            "The extractor must take images of 1 or 3 channels, but was trained on inputs of shape "
            f"{extractor.trained_.input_shape}: load one that was trained on pictures."
        )
    unreadable: list[str] = []
    schema = _schema(extractor)
    group_rows = _GROUP_ROWS
    if not extractor.matched_attribute_names():
        trained = extractor.trained_
        bits = 2 * trained.num_features * trained.config.num_levels
        group_rows = min(group_rows, _GROUP_BITS // bits)
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with _open_writer(partial, schema, extractor, is_csv=out.suffix.lower() == ".csv") as write:
            waiting: list[pa.RecordBatch] = []
            for start in track(
                range(0, len(files), batch_size),
                description="pictures",
                console=Console(stderr=True),
                disable=not progress,
            ):
                some = files[start : start + batch_size]
                waiting += _read_and_extract(extractor, some, folder, schema, unreadable)
                if sum(part.num_rows for part in waiting) >= group_rows:
                    write(pa.Table.from_batches(waiting))
                    waiting = []
            if waiting:
                write(pa.Table.from_batches(waiting))
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return unreadable


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table; the command's entry point."""
    parser = _parser()
    options = parser.parse_args(argv)
    out: Path = options.output
    if out.suffix.lower() not in _SUFFIXES:
        parser.error(f"--output must end in {' or '.join(_SUFFIXES)}, but got {str(out)!r}.")
    if not out.parent.is_dir():
        parser.error(f"--output lies in {str(out.parent)!r}, which is no folder: make it first.")
    if out.is_dir():
        parser.error(f"--output must be a file, but {str(out)!r} is a folder.")
    if options.batch_size < 1:
        parser.error(f"--batch-size must be at least 1, but got {options.batch_size}.")
    try:
        files = find_pictures(options.images)
        _check_device(options.device)
        extractor = AttributeExtractor.load(options.model, device=options.device)
        unreadable = extract_pictures(
            extractor,
            files,
            out,
            folder=options.images,
            batch_size=options.batch_size,
            progress=sys.stderr.isatty(),
        )
    except (CoreError, OSError) as error:
        parser.error(str(error))
    for sentence in unreadable:
        sys.stderr.write(f"{sentence}\n")
    written = len(files) - len(unreadable)
    sys.stdout.write(f"{out}: {written} pictures, {len(unreadable)} unreadable\n")
    return 1 if unreadable else 0


@contextmanager
def _open_writer(
    path: Path, schema: pa.Schema, extractor: AttributeExtractor, *, is_csv: bool
) -> Iterator[Callable[[pa.Table], None]]:
    """What takes tables of the schema, one after another."""
    if not is_csv:
        with pq.ParquetWriter(path, schema) as parquet:
            yield parquet.write_table
        return
    num_features = extractor.trained_.num_features
    flat = _without_lists(schema.empty_table(), num_features).schema
    with pa.csv.CSVWriter(path, flat) as writer:
        yield lambda table: writer.write_table(_without_lists(table, num_features))


def _without_lists(table: pa.Table, num_features: int) -> pa.Table:
    """A column a feature in the place of the levels, and no b(v)."""
    levels = table.column("levels").combine_chunks().flatten().to_numpy()
    levels_ND = levels.reshape(-1, num_features)
    columns: dict[str, Any] = {}
    for field in table.schema:
        if field.name == "levels":
            columns |= {f"feature_{i}": pa.array(levels_ND[:, i]) for i in range(num_features)}
        elif not pa.types.is_list(field.type):
            columns[field.name] = table.column(field.name)
    return pa.table(columns)


def _check_device(name: str) -> None:
    try:
        torch.zeros(1, device=name)
    # A build without CUDA raises the latter.
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"--device must be one that torch can use here, but got {name!r}: {reason}"
        ) from error


def _read_and_extract(
    extractor: AttributeExtractor,
    files: Sequence[Path],
    folder: Path,
    schema: pa.Schema,
    unreadable: list[str],
) -> list[pa.RecordBatch]:
    """A batch of the pictures that can be read, if there are any."""
    trained = extractor.trained_
    names, images = [], []
    for path in files:
        try:
            picture = load_picture(
                path, trained.input_shape, resize_size=trained.config.resize_size
            )
        except DataError as error:
            unreadable.append(str(error))
        else:
            images.append(picture)
            names.append(path.relative_to(folder).as_posix())
    return [_record_batch(extractor, names, np.stack(images), schema)] if images else []


def _schema(extractor: AttributeExtractor) -> pa.Schema:
    names = _attribute_columns(extractor)
    attributes = [(name, pa.bool_()) for name in names] or [("attributes", pa.list_(pa.bool_()))]
    of_tree = [("tree_class", pa.string()), ("tree_probability", pa.float64())]
    return pa.schema(
        [
            ("file", pa.string()),
            ("levels", pa.list_(pa.uint8())),
            *attributes,
            ("net_class", pa.string()),
            ("net_probability", pa.float64()),
            *(() if extractor.trained_.tree is None else of_tree),
            *([("reason", pa.string())] if extractor.has_reasons else ()),
        ]
    )


def _attribute_columns(extractor: AttributeExtractor) -> list[str]:
    return [
        f"attribute {name}" if name in _FIXED else name
        for name in extractor.matched_attribute_names()
    ]


def _record_batch(
    extractor: AttributeExtractor, names: list[str], images_NCHW: Any, schema: pa.Schema
) -> pa.RecordBatch:
    said = extractor.extract(images_NCHW)
    trained = extractor.trained_
    _, holds_NA = matched(said.levels_ND, trained.matches)
    attributes = [pa.array(holds_N) for holds_N in holds_NA.T] or [
        _lists(binarize(said.levels_ND, num_levels=trained.config.num_levels))
    ]
    classes = [str(value) for value in trained.classes]
    predictions: list[pa.Array] = []
    for probabilities_NK in (said.probabilities_NK, said.tree_probabilities_NK):
        if probabilities_NK is None:
            continue
        top_N = probabilities_NK.argmax(axis=1)
        predictions.append(pa.array([classes[top] for top in top_N]))
        predictions.append(pa.array(probabilities_NK[np.arange(len(top_N)), top_N]))
    columns = [
        pa.array(names),
        _lists(said.levels_ND),
        *attributes,
        *predictions,
        *(() if said.reasons is None else (pa.array(said.reasons),)),
    ]
    return pa.record_batch(columns, schema=schema)


def _lists(table: npt.NDArray[Any]) -> pa.ListArray:
    """Each row as a list."""
    offsets = np.arange(len(table) + 1, dtype=np.int32) * table.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(table.ravel()))


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m core.extract",
        description="Write levels, attributes, classes and, where there is a tree or prototypes, "
        "their reason for every picture in a folder, as a Parquet or CSV table.",
        epilog="example: python -m core.extract artifacts pictures --output features.parquet. "
        "Exit code: 0, 1 if a picture could not be read (the others are written), 2 for a refusal.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model", type=Path, metavar="MODEL_DIR", help="folder of a finished trial's artifacts"
    )
    parser.add_argument(
        "images",
        type=Path,
        metavar="IMAGES_DIR",
        help=f"folder of pictures, searched recursively: {', '.join(PICTURE_SUFFIXES)}",
    )
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="FILE",
        help="table to write: .parquet or .csv",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=32,
        metavar="N",
        help="pictures held in memory at once (default: 32)",
    )
    parser.add_argument(
        "--device", default="cpu", help="where to run, as torch names it (default: cpu)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
