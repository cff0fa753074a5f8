"""From pictures that were found to an archive: names, groups, split, attributes.

Shape letters: N pictures.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.data.archives._table import Archive, Contents
from core.data.archives.files import first_names
from core.data.archives.own._attributes import AttributeTable, no_attributes, read_attributes
from core.data.archives.own._duplicates import duplicate_groups
from core.data.archives.own._names import number_classes
from core.data.archives.own._oddities import alike_pictures, small_classes
from core.data.naming import check_name, name_from
from core.data.splits import require_seed, stratified_group_holdout
from core.errors import ConfigError, DataError

_READ_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Pictures as a reader found them, in the order of the rows."""

    root: Path
    title: str
    """What the data set is called unless it is given a name."""

    files: Sequence[str]
    classes: Sequence[str]
    order: Sequence[str] | None
    """Class names in the order to keep; None to sort them."""

    parts: Sequence[str] | None
    """Part of each picture, "train", "val" or "test"; None where none is given."""

    where: str
    """What messages call what says the class."""

    contents: Contents | None
    warnings: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What both readers may be told.

    Raises
    ------
    ConfigError
        If a value is not legal.
    """

    dataset_name: str | None
    test_share: float
    test_seed: int
    near_duplicates: bool
    attributes: str | None
    threshold: float | None

    def __post_init__(self) -> None:
        if self.dataset_name is not None:
            check_text("dataset_name", self.dataset_name)
            check_name(self.dataset_name)
        if self.attributes is not None:
            check_text("attributes", self.attributes)
        require_seed("test_seed", self.test_seed)
        if not (_is_number(self.test_share) and 0 < self.test_share < 1):
            raise ConfigError(f"`test_share` must lie in (0, 1), but got {self.test_share!r}.")
        if not isinstance(self.near_duplicates, bool):
            raise ConfigError(
                f"`near_duplicates` must be true or false, but got {self.near_duplicates!r}."
            )
        if self.threshold is not None and not _is_number(self.threshold):
            raise ConfigError(f"`threshold` must be a number, but got {self.threshold!r}.")
        if self.threshold is not None and self.attributes is None:
            raise ConfigError("`threshold` is for `attributes`, which are not given: leave it out.")


def check_text(name: str, value: object) -> None:
    """Refuse an option that is no string: a command line's values are JSON where they can be.

    Raises
    ------
    ConfigError
    """
    if not isinstance(value, str):
        raise ConfigError(f"`{name}` must be a string, but got {value!r}.")


def build_archive(found: Found, options: Options) -> Archive:
    """Number the classes, group near duplicates, cut the split, and read the attributes.

    Raises
    ------
    ConfigError, DataError
        As the readers.
    """
    name = options.dataset_name or name_from(found.title)
    if not name:
        raise ConfigError(f"{found.title!r} makes no name for a data set: give one with --name.")
    class_names, labels_N = number_classes(found.classes, order=found.order, where=found.where)
    part_warnings: list[str] = []
    is_test_N: npt.NDArray[np.bool_] | None = None
    if found.parts is not None:
        is_test_N, part_warnings = _given(np.array(found.parts), labels_N, class_names)
    table = no_attributes(len(labels_N))
    if options.attributes is not None:
        table = read_attributes(
            options.attributes,
            files=found.files,
            class_names=class_names,
            labels_N=labels_N,
            threshold=options.threshold,
        )
    groups_N = np.arange(len(labels_N))
    if options.near_duplicates:  # last of what may be refused: it opens every picture
        groups_N = duplicate_groups(_contents(found))
    if is_test_N is None:
        is_test_N = _cut(labels_N, groups_N, options)
    _check_attributes(table, is_test_N, options)
    return Archive(
        name=name,
        root=found.root,
        class_names=class_names,
        attribute_names=table.names,
        files=tuple(found.files),
        boxes_N4=None,
        crops=False,
        labels_N=labels_N,
        is_test_N=is_test_N,
        attributes_NA=table.flags_NA,
        attributes_per_class=table.per_class,
        contents=found.contents,
        groups_N=groups_N,
        warnings=(
            *found.warnings,
            *part_warnings,
            *small_classes(labels_N, is_test_N, class_names),
            *alike_pictures(labels_N, is_test_N, groups_N, found.files),
            *table.warnings,
        ),
    )


def _check_attributes(
    table: AttributeTable, is_test_N: npt.NDArray[np.bool_], options: Options
) -> None:
    for part, is_of_part in (("training", ~is_test_N), ("test", is_test_N)):
        if table.names and not table.flags_NA[is_of_part].any():
            raise DataError(
                f"At least one attribute of {options.attributes!r} must occur in the {part} part, "
                "but none does: without one there is no fidelity. Leave the table out, or mend it."
            )


def _contents(found: Found) -> Iterable[list[bytes]]:
    for start in range(0, len(found.files), _READ_AT_ONCE):
        rows = range(start, min(start + _READ_AT_ONCE, len(found.files)))
        if found.contents is not None:
            yield found.contents.read(rows)
        else:
            yield [_bytes_of(found.root / found.files[row]) for row in rows]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # packing tells which and why


def _cut(
    labels_N: npt.NDArray[np.int64], groups_N: npt.NDArray[np.int64], options: Options
) -> npt.NDArray[np.bool_]:
    count = math.ceil(round(options.test_share * len(labels_N), 9))
    is_test_N = stratified_group_holdout(labels_N, groups_N, count, seed=options.test_seed)
    if not is_test_N.any():
        raise DataError(
            f"At least one class must have pictures for training and test, but none of the "
            f"{len(labels_N)} pictures can be spared: each class has one, or near duplicates of "
            "one. Add pictures."
        )
    return is_test_N


def _given(
    parts_N: npt.NDArray[Any], labels_N: npt.NDArray[np.int64], class_names: Sequence[str]
) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """The split that folders or files state: what is held out, and what is to be told of it."""
    is_test_N, is_val_N = parts_N == "test", parts_N == "val"
    warnings = []
    if is_test_N.any() and is_val_N.any():
        warnings.append(
            f"The {np.count_nonzero(is_val_N)} pictures of the validation part join the training "
            "part, of which minival is cut."
        )
    elif is_val_N.any():
        is_test_N = is_val_N
        warnings.append("There is no test part: the validation part takes its place.")
    if is_test_N.all() or not is_test_N.any():
        raise DataError("The training part and the test part must both have pictures.")
    untrained = np.setdiff1d(labels_N[is_test_N], labels_N[~is_test_N])
    if len(untrained):
        names = [class_names[label] for label in untrained]
        raise DataError(
            f"Every class must have pictures to train on, but these have none ({len(names)}): "
            f"{first_names(names)}. Are the names the same in all parts?"
        )
    return is_test_N, warnings


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
