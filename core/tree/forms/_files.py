"""Trees on disk, as JSON or npz. Neither can hold code, so a file from anywhere is safe to read."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DataError
from core.tree._tree import DecisionTree


def save_tree(tree: DecisionTree, path: Path | str) -> None:
    """Write a tree as JSON or npz, by the ending of the path.

    Raises
    ------
    DataError
        If the path ends otherwise.

    Examples
    --------
    >>> save_tree(tree, "tree.npz")  # doctest: +SKIP
    >>> load_tree("tree.npz") == tree  # doctest: +SKIP
    True
    """
    path = Path(path)
    _check_ending(path)
    if path.suffix == ".json":
        path.write_text(json.dumps(tree.to_dict()))
        return
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **tree.to_arrays())


def load_tree(path: Path | str) -> DecisionTree:
    """Read what `save_tree` wrote.

    Raises
    ------
    DataError
        If the path ends otherwise, or the file holds no tree.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    _check_ending(path)
    try:
        values = _read_json(path) if path.suffix == ".json" else _read_npz(path)
    except (ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{str(path)!r} is no {path.suffix} file that `save_tree` wrote: {error}"
        ) from error
    if not isinstance(values, Mapping):
        raise DataError(f"{str(path)!r} holds no tree, but a {type(values).__name__}.")
    return DecisionTree.from_dict(values)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def _read_npz(path: Path) -> Any:
    with np.load(path, allow_pickle=False) as file:
        return dict(file) if isinstance(file, Mapping) else file


def _check_ending(path: Path) -> None:
    if path.suffix not in (".json", ".npz"):
        raise DataError(f"A tree is stored as .json or .npz, but the path is {str(path)!r}.")
