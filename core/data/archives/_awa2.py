"""Animals with Attributes 2 as it unpacks: 37,322 photos of 50 animals, 85 attributes a class.

Xian, Lampert, Schiele, Akata, "Zero-Shot Learning: A Comprehensive Evaluation of the Good, the Bad
and the Ugly", 2018.

Shape letters: N images, K classes, A attributes.
"""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.archives._published import PUBLISHED_SIZES
from core.data.archives._table import Archive, Check
from core.data.archives.files import (
    Layout,
    StrPath,
    filled,
    find_folder,
    first_names,
    read_by_id,
    read_lines,
    unique_names,
)
from core.data.splits import require_seed, smaller_part, stratified_group_holdout
from core.errors import DataError

__all__ = ["read_awa2"]

_LAYOUT = Layout(
    "AwA2",
    """\
  Animals_with_Attributes2/
    classes.txt  predicates.txt  predicate-matrix-binary.txt  predicate-matrix-continuous.txt
    JPEGImages/antelope/*.jpg  JPEGImages/grizzly+bear/*.jpg  and 48 folders more""",
)
_BINARY = "predicate-matrix-binary.txt"
_CONTINUOUS = "predicate-matrix-continuous.txt"
_MISSING = -1.0
_IMAGE_ENDINGS = (".jpg", ".jpeg")


def read_awa2(root: StrPath, *, test_seed: int = 0) -> Archive:
    """Read AwA2: one row an image, classes in the order of classes.txt, then by file name.

    AwA2 has no standard split for this task: its own (trainclasses.txt, testclasses.txt) is for
    zero-shot learning. The test split is a random one of 30 % of the images, rounded up, of each
    class its share: 26,125 and 11,197 images, the published sizes. Which images the paper's were is
    not known.

    Images are what lies in the classes' folders, since no file lists them. Attributes are those of
    the binary matrix; the continuous one, where it is there, tells which values were missing.

    Parameters
    ----------
    root
        ``Animals_with_Attributes2/`` or the folder that holds it.
    test_seed
        Seed of the test split. Numbers are comparable between equal seeds only.

    Returns
    -------
    Archive
        With `attributes_NA` per class and no boxes. Its checks hold the published counts, its
        warnings classes without images, folders and files that belong to no class, and values that
        the continuous matrix lacks.

    Raises
    ------
    ConfigError
        If `test_seed` is negative.
    DataError
        If a file is missing or malformed, if the matrix does not fit the names, or if no image is
        there.

    Examples
    --------
    >>> archive = read_awa2("Animals_with_Attributes2")  # doctest: +SKIP
    >>> archive.class_names[10]  # doctest: +SKIP
    'grizzly+bear'
    """
    require_seed("test_seed", test_seed)
    folder = find_folder(root, (".", "Animals_with_Attributes2"), marker=_BINARY, layout=_LAYOUT)
    class_names = _read_names(folder / "classes.txt")
    attribute_names = _read_names(folder / "predicates.txt")
    shape = (len(class_names), len(attribute_names))
    attributes_KA = _read_matrix(folder / _BINARY, shape, "0 or 1", _parse_bit)
    warnings = _missing_values(folder / _CONTINUOUS, attributes_KA, class_names, attribute_names)

    files_by_class, more_warnings = _list_images(folder, class_names)
    warnings += more_warnings
    files = tuple(file for files in files_by_class for file in files)
    labels_N = np.repeat(np.arange(len(class_names)), [len(files) for files in files_by_class])
    is_test_N = stratified_group_holdout(
        labels_N, np.arange(len(files)), smaller_part(len(files)), seed=test_seed
    )
    published = PUBLISHED_SIZES["awa2"]
    return Archive(
        name="awa2",
        root=folder,
        class_names=class_names,
        attribute_names=attribute_names,
        files=files,
        boxes_N4=None,
        crops=False,
        labels_N=labels_N,
        is_test_N=is_test_N,
        attributes_NA=attributes_KA[labels_N],
        attributes_per_class=True,
        checks=(
            Check("images", 37322, len(files)),
            Check("classes", published.classes, len(class_names)),
            Check("attributes", 85, len(attribute_names)),
            Check("train images", published.train, int(np.count_nonzero(~is_test_N))),
            Check("test images", published.test, int(np.count_nonzero(is_test_N))),
        ),
        warnings=tuple(warnings),
    )


def _read_names(path: Path) -> tuple[str, ...]:
    names = read_by_id(path, _LAYOUT, form="<index><tab><name>", parse=filled)
    for index, (identity, (_, line)) in enumerate(names.items(), start=1):
        if identity != index:
            # The matrices have no names: row and column are the index alone.
            raise line.error(f"The indices of {path.name} must count 1, 2, 3, ...")
    return unique_names(names.values())


def _read_matrix(
    path: Path, shape: tuple[int, int], form: str, parse: Callable[[str], float]
) -> npt.NDArray[Any]:
    """Read one line a class and one value a predicate, with white space of any width between."""
    lines = read_lines(path, _LAYOUT)
    if len(lines) != shape[0]:
        raise DataError(
            f"{str(path)!r} must have one line for each of the {shape[0]} classes of classes.txt, "
            f"but has {len(lines)}."
        )
    rows = []
    for line in lines:
        try:
            row = [parse(field) for field in line.text.split()]
        except ValueError as error:
            raise line.error(f"Each value of {path.name} must be {form}") from error
        if len(row) != shape[1]:
            raise line.error(
                f"A line of {path.name} must have {shape[1]} values, one for each predicate of "
                f"predicates.txt, and this one has {len(row)}"
            )
        rows.append(row)
    return np.array(rows)


def _parse_bit(field: str) -> bool:
    if field not in ("0", "1"):
        raise ValueError(field)
    return field == "1"


def _parse_strength(field: str) -> float:
    value = float(field)
    if not (value == _MISSING or 0 <= value < math.inf):
        raise ValueError(field)
    return value


def _missing_values(
    path: Path,
    attributes_KA: npt.NDArray[np.bool_],
    class_names: Sequence[str],
    attribute_names: Sequence[str],
) -> list[str]:
    """Tell which values were never given; the binary matrix has a 0 or 1 there all the same."""
    if not path.is_file():
        return []
    strengths_KA = _read_matrix(
        path, attributes_KA.shape, "a number of at least 0, or -1 for missing", _parse_strength
    )
    missing_KA = strengths_KA == _MISSING
    pairs = [
        f"{class_names[row]!r} with {attribute_names[column]!r}"
        for row, column in np.argwhere(missing_KA)
    ]
    if not pairs:
        return []
    present = np.count_nonzero(attributes_KA & missing_KA)
    return [
        f"Values of {_CONTINUOUS} that are missing, -1 ({len(pairs)} of {missing_KA.size}): "
        f"{first_names(pairs)}. {_BINARY} is taken as it is, which gives {present} of them as "
        "present and the others as absent."
    ]


def _list_images(folder: Path, class_names: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """List each class's images by name, and tell what does not fit the classes."""
    images = folder / "JPEGImages"
    if not images.is_dir():
        raise _LAYOUT.missing("JPEGImages", [images])
    known = frozenset(class_names)
    strangers = sorted(name for name in os.listdir(images) if name not in known)
    files_by_class = []
    empty = []
    for class_name in class_names:
        of_class = images / class_name
        names = sorted(os.listdir(of_class)) if of_class.is_dir() else []
        files = [name for name in names if name.lower().endswith(_IMAGE_ENDINGS)]
        taken = frozenset(files)
        strangers += [f"{class_name}/{name}" for name in names if name not in taken]
        files_by_class.append([f"JPEGImages/{class_name}/{name}" for name in files])
        if not files:
            empty.append(class_name)
    if len(empty) == len(class_names):
        raise _LAYOUT.missing("*.jpg", [images / class_names[0] / "*.jpg"])
    warnings = []
    if empty:
        warnings.append(
            f"Classes of classes.txt without an image in JPEGImages ({len(empty)}): "
            f"{first_names(empty)}."
        )
    if strangers:
        warnings.append(
            f"Entries of JPEGImages that are no class of classes.txt or no .jpg are left out "
            f"({len(strangers)}): {first_names(strangers)}."
        )
    return files_by_class, warnings
