"""What aPascal and aYahoo share: lines of one object with a box and 64 attributes.

Farhadi, Endres, Hoiem, Forsyth, "Describing Objects by their Attributes", CVPR 2009.

Shape letters: N objects, A attributes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data.archives.files import (
    Layout,
    Line,
    StrPath,
    find_folder,
    first_names,
    read_lines,
    unique_names,
    whole_number,
)
from core.errors import did_you_mean

LAYOUT = Layout(
    "aPascal and aYahoo",
    """\
  attribute_data/
    apascal_train.txt  apascal_test.txt  ayahoo_test.txt  attribute_names.txt  class_names.txt
  VOCdevkit/VOC2008/JPEGImages/2008_*.jpg  (aPascal's images: VOC 2008, train and validation)
  ayahoo_test_images/*.jpg  (aYahoo's images)""",
)
_BEFORE_ATTRIBUTES = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Objects:
    """The lines of one file."""

    images: tuple[str, ...]
    """Image of each object, as the line names it."""

    classes: tuple[str, ...]
    boxes_N4: npt.NDArray[np.float64]
    """As in `core.data.archives.Archive`: from 0, exclusive; NaN where the box has no area."""

    attributes_NA: npt.NDArray[np.bool_]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def find_root(root: StrPath) -> Path:
    """Return the folder that holds attribute_data/; `root` may be attribute_data/ itself."""
    marker = "attribute_data/attribute_names.txt"
    start = Path(os.path.abspath(root))
    is_inside = start.name == "attribute_data"
    return find_folder(start.parent if is_inside else start, (".",), marker=marker, layout=LAYOUT)


def find_images(root: Path, *places: str) -> str:
    """Return the first of the folders that is there, relative to `root`."""
    for place in places:
        if (root / place).is_dir():
            return place
    raise LAYOUT.missing(places[0], [root / place for place in places])


def read_names(root: Path, file_name: str) -> tuple[str, ...]:
    """Read one name a line, spaces within it included."""
    lines = read_lines(root / "attribute_data" / file_name, LAYOUT)
    return unique_names((line.text, line) for line in lines)


def read_objects(
    root: Path, file_name: str, class_names: Sequence[str], attribute_names: Sequence[str]
) -> Objects:
    """Read the objects of one file.

    Boxes are Pascal VOC's, whose pixels count from 1 and whose right and bottom belong to the box:
    `xmin ymin xmax ymax` becomes xmin - 1, ymin - 1, xmax, ymax, so that the smallest coordinate in
    the files, 1, is the image's edge and no column or row is lost. Where xmax = xmin or
    ymax = ymin (or less) nobody drew a box: that is the whole image, with a warning.

    Raises
    ------
    DataError
        If the file is missing, or if a line breaks the form.
    """
    lines = read_lines(root / "attribute_data" / file_name, LAYOUT)
    known = frozenset(class_names)
    images, classes, attributes, without_area = [], [], [], []
    boxes: list[tuple[float, ...]] = []
    for line in lines:
        fields = line.text.split()
        expected = _BEFORE_ATTRIBUTES + len(attribute_names)
        if len(fields) != expected:
            raise line.error(
                f"A line of {file_name} must have {expected} fields, {_BEFORE_ATTRIBUTES} and one "
                f"for each name of attribute_names.txt, and this one has {len(fields)}"
            )
        image, class_name, *corners = fields[:_BEFORE_ATTRIBUTES]
        if class_name not in known:
            hint = did_you_mean(class_name, class_names)
            raise line.error(
                f"The class of an object must be one of class_names.txt, and {class_name!r} is "
                f"none.{hint} It stands in the second field"
            )
        left, top, right, bottom = _read_corners(line, corners)
        if right > left and bottom > top:
            boxes.append((left - 1, top - 1, right, bottom))
        else:
            boxes.append((np.nan,) * 4)
            without_area.append(f"{image} ({' '.join(corners)})")
        images.append(image)
        classes.append(class_name)
        attributes.append(_read_bits(line, fields[_BEFORE_ATTRIBUTES:]))
    warnings = []
    if without_area:
        warnings.append(
            f"Boxes of {file_name} without area are taken as the whole image "
            f"({len(without_area)}): {first_names(without_area)}."
        )
    return Objects(
        images=tuple(images),
        classes=tuple(classes),
        boxes_N4=np.array(boxes, dtype=np.float64),
        attributes_NA=np.array(attributes, dtype=np.bool_),
        warnings=tuple(warnings),
    )


def classes_that_occur(
    class_names: Sequence[str], objects: Sequence[str]
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Return the classes that have an object, in class_names.txt's order, and the labels.

    class_names.txt names aPascal's 20 classes and aYahoo's 12 in one list, and no object of one
    belongs to a class of the other.
    """
    present = frozenset(objects)
    names = tuple(name for name in class_names if name in present)
    label_of = {name: label for label, name in enumerate(names)}
    return names, np.array([label_of[name] for name in objects], dtype=np.int64)


def _read_corners(line: Line, corners: Sequence[str]) -> tuple[int, int, int, int]:
    try:
        left, top, right, bottom = map(whole_number, corners)
    except ValueError as error:
        raise line.error("A box must be four whole numbers, xmin ymin xmax ymax") from error
    if left < 1 or top < 1:
        raise line.error("The pixels of a box must count from 1, as in Pascal VOC")
    return left, top, right, bottom


def _read_bits(line: Line, fields: Sequence[str]) -> list[bool]:
    bits = [field == "1" for field in fields]
    if any(field not in ("0", "1") for field in fields):
        raise line.error("Each attribute of an object must be 0 or 1")
    return bits
