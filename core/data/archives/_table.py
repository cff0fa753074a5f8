"""What a dataset's archive states, before any image is opened: one row an object.

Shape letters: N objects, A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from core.errors import DataError


class Check(NamedTuple):
    """A published count beside the one that was found."""

    what: str
    published: int
    found: int

    @property
    def agrees(self) -> bool:
        return self.published == self.found


class Contents(Protocol):
    """Image files that lie inside other files."""

    def read(self, rows: Sequence[int]) -> list[bytes]:
        """The bytes of some rows' images; no bytes where there is no image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Archive:
    """The common table that every reader gives. One row is one object: a labelled image or crop.

    Raises
    ------
    DataError
        If the columns have different lengths or another shape, if there is no row, or if a label
        has no class.
    """

    name: str
    """"cub", "awa2", "apascal", "ayahoo", or that of a data set of one's own."""

    root: Path
    """Folder that `files` are relative to."""

    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]

    files: tuple[str, ...]
    """Image file of each object, relative to `root`, with forward slashes."""

    boxes_N4: npt.NDArray[np.float64] | None
    """Left, top, right, bottom in pixels from the image's top left corner, right and bottom
    exclusive. A row of NaN is the whole image; None when the archive has no boxes."""

    crops: bool
    """Whether an object is what its box cuts out (aPascal, aYahoo) or the whole image (CUB)."""

    labels_N: npt.NDArray[np.int64]
    """Class of each object, counted from 0, in the order of `class_names`."""

    is_test_N: npt.NDArray[np.bool_]
    """Test split. The others are the training part, from which minival is cut when loading."""

    attributes_NA: npt.NDArray[np.bool_]
    """Which semantic attributes hold. Per class in AwA2: rows of a class are then equal. Without
    columns where there are none."""

    attributes_per_class: bool
    contents: Contents | None = None
    """Gives the image files' bytes where they do not lie as files below `root`."""

    groups_N: npt.NDArray[np.int64] | None = None
    """Rows of one group show nearly the same, and stay on one side of every cut. None where the
    rows of one image are a group, and no others are."""

    checks: tuple[Check, ...] = ()
    """Published counts beside those found, differences included."""

    warnings: tuple[str, ...] = ()
    """What was odd in the files and how it was taken, one sentence each."""

    def __post_init__(self) -> None:
        lengths = {
            "files": len(self.files),
            "labels_N": len(self.labels_N),
            "is_test_N": len(self.is_test_N),
            "attributes_NA": len(self.attributes_NA),
        }
        if self.boxes_N4 is not None:
            lengths["boxes_N4"] = len(self.boxes_N4)
        if self.groups_N is not None:
            lengths["groups_N"] = len(self.groups_N)
        if len(set(lengths.values())) != 1:
            counts = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            raise DataError(f"An archive's columns must have one row per object, but {counts}.")
        if not self.files:
            raise DataError(f"{self.name!r} in {str(self.root)!r} must have rows, but has none.")
        if self.boxes_N4 is not None and self.boxes_N4.shape[1:] != (4,):
            raise DataError(
                "`boxes_N4` must have four columns (left, top, right, bottom), but has shape "
                f"{self.boxes_N4.shape}."
            )
        if not (self.labels_N.min() >= 0 and self.labels_N.max() < len(self.class_names)):
            raise DataError(
                f"Labels of {self.name!r} must lie in [0, {len(self.class_names)}), but reach from "
                f"{self.labels_N.min()} to {self.labels_N.max()}."
            )
        if self.attributes_NA.shape[1:] != (len(self.attribute_names),):
            raise DataError(
                f"{self.name!r} has {len(self.attribute_names)} attribute names, but attributes of "
                f"shape {self.attributes_NA.shape}."
            )

    def __len__(self) -> int:
        return len(self.files)
