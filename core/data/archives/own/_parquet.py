"""Pictures in Parquet files, as Hugging Face's data sets have them.

Shape letters: N pictures.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data.archives._table import Archive
from core.data.archives.files import StrPath, first_names
from core.data.archives.own._build import Found, Options, build_archive, check_text
from core.data.archives.own._names import part_of
from core.data.archives.own._parquet_file import ParquetFile, RowBytes
from core.data.naming import as_written
from core.errors import DataError

__all__ = ["read_parquet"]


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
        ParquetFile.open(path, folder, image_column, label_column)
        for path in _files_at(start, folder)
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
        contents=RowBytes(files, kept),
        warnings=_left_out(names, is_kept_N),
    )
    return build_archive(found, options)


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


def _check_alike(files: Sequence[ParquetFile]) -> None:
    first = files[0]
    for file in files[1:]:
        if (file.class_names, file.is_numbered) != (first.class_names, first.is_numbered):
            raise DataError(
                f"All Parquet files must have the same kind of label and class names, but those "
                f"of {first.shown!r} and {file.shown!r} differ. Give the files of one data set."
            )


def _order(files: Sequence[ParquetFile], labels: Sequence[str | None]) -> Sequence[str] | None:
    if files[0].is_numbered:
        return sorted({label for label in labels if label is not None}, key=int)
    return files[0].class_names


def _row_names(files: Sequence[ParquetFile]) -> list[str]:
    """What a row's picture is called: its path, or the file and row where paths name none."""
    paths = [path for file in files for path in file.paths]
    if all(paths) and len(set(paths)) == len(paths):
        return [as_written(str(path)) for path in paths]
    return [f"{file.shown}#{row}" for file in files for row in range(len(file.labels))]


def _row_parts(files: Sequence[ParquetFile], start: Path) -> list[str] | None:
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
