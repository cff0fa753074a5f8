"""Class names and parts of a split, as folders and columns write them.

Shape letters: N pictures.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.data.archives.files import first_names
from core.errors import DataError

Part = str
"""One of "train", "val" and "test"."""

_PARTS = {
    "train": "train",
    "test": "test",
    **dict.fromkeys(("val", "valid", "validation"), "val"),
}


def part_of(word: str) -> Part | None:
    """The part of a split that a folder or file is named after, in any case.

    Examples
    --------
    >>> part_of("Validation"), part_of("trains")
    ('val', None)
    """
    return _PARTS.get(word.casefold())


def number_classes(
    classes: Sequence[str], *, order: Sequence[str] | None = None, where: str
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Names of the classes that occur, and each picture's place among them.

    Parameters
    ----------
    classes
        Of each picture.
    order
        All names in the order to keep; None to sort them.
    where
        What messages call them, such as "class folders".

    Raises
    ------
    DataError
        If there is a single class, or names that differ in case alone.
    """
    occurring = set(classes)
    names = tuple(name for name in order if name in occurring) if order else sorted(occurring)
    by_key: dict[str, str] = {}
    for name in names:
        other = by_key.setdefault(name.casefold(), name)
        if other != name:
            raise DataError(
                f"The {where} must differ in more than case, but there are {other!r} and {name!r}: "
                "give one of the two another name, or both the same."
            )
    if len(names) < 2:
        raise DataError(
            f"There must be {where} of at least two classes, but there is {first_names(names)!r} "
            "alone."
        )
    place = {name: label for label, name in enumerate(names)}
    return tuple(names), np.array([place[name] for name in classes], dtype=np.int64)
