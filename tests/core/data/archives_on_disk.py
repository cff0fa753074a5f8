"""Small archives in exactly the layouts in which the four datasets unpack, with real JPEG images.

`small_table` makes up a table, `write_cub` and its like put one on disk, and `write_archive` does
both by name. What each reader should give back is the table itself: see `assert_reads_as`.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.data.archives import Archive

IMAGE_SIZE = (24, 18)
"""Width and height of the images that are written."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One row an object, as in `core.data.archives.Archive`."""

    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    files: tuple[str, ...]
    """Inside the archive's folder of images: ``class/file.jpg`` in CUB and AwA2."""

    labels_N: npt.NDArray[np.int64]
    is_test_N: npt.NDArray[np.bool_]
    attributes_NA: npt.NDArray[np.bool_]
    boxes_N4: npt.NDArray[np.float64] | None = None
    """From 0, right and bottom exclusive, whole numbers."""

    def but(self, **changes: Any) -> "Table":
        return replace(self, **changes)


def small_table(
    name: str,
    *,
    num_classes: int = 3,
    images_per_class: int = 4,
    num_attributes: int = 5,
    seed: int = 0,
) -> Table:
    """Make up a table with names as the archive has them.

    Every second image of aPascal and aYahoo has two objects. The first half of each class's images
    is the training part.
    """
    rng = np.random.default_rng(seed)
    class_names = _class_names(name, num_classes)
    is_farhadi = name in ("apascal", "ayahoo")
    files, labels, is_test = [], [], []
    for label, class_name in enumerate(class_names):
        for number in range(images_per_class):
            for _ in range(1 + number % 2 if is_farhadi else 1):
                files.append(_file_name(name, class_name, label, number))
                labels.append(label)
                is_test.append(2 * number >= images_per_class)
    if name == "awa2":
        attributes_NA = (rng.random((num_classes, num_attributes)) < 0.4)[labels]
    else:
        attributes_NA = rng.random((len(files), num_attributes)) < 0.4
    width, height = IMAGE_SIZE
    left_N, right_N = np.sort(rng.integers(0, width - 4, (2, len(files))), axis=0)
    top_N, bottom_N = np.sort(rng.integers(0, height - 4, (2, len(files))), axis=0)
    boxes_N4 = np.stack([left_N, top_N, right_N + 4, bottom_N + 4], axis=1).astype(np.float64)
    table = Table(
        class_names=class_names,
        attribute_names=_attribute_names(name, num_attributes),
        files=tuple(files),
        labels_N=np.array(labels, dtype=np.int64),
        is_test_N=np.array(is_test, dtype=np.bool_),
        attributes_NA=attributes_NA,
        boxes_N4=None if name == "awa2" else boxes_N4,
    )
    return _rows(table, np.argsort(table.is_test_N, kind="stable")) if name == "apascal" else table


def write_archive(name: str, root: Path, table: Table | None = None) -> Path:
    """Write a small archive of that name; return the `root` its reader takes."""
    writers = {
        "cub": write_cub,
        "awa2": write_awa2,
        "apascal": write_apascal,
        "ayahoo": write_ayahoo,
    }
    return writers[name](root, small_table(name) if table is None else table)


def write_cub(
    root: Path,
    table: Table,
    *,
    certainties_NA: npt.NDArray[np.int64] | None = None,
    odd_images: Sequence[int] = (),
    images: bool = True,
) -> Path:
    """Write CUB-200-2011's files and return ``CUB_200_2011/``.

    The lines of `odd_images`, ids that count from 1, have the additional column and the double
    space that images 2275 and 9364 have.
    """
    assert table.boxes_N4 is not None
    folder = root / "CUB_200_2011"
    _write(folder / "images.txt", [f"{i} {file}" for i, file in enumerate(table.files, start=1)])
    _write(folder / "classes.txt", _numbered(table.class_names, " "))
    _write(
        folder / "image_class_labels.txt",
        [f"{i} {label + 1}" for i, label in enumerate(table.labels_N, start=1)],
    )
    _write(
        folder / "train_test_split.txt",
        [f"{i} {int(not is_test)}" for i, is_test in enumerate(table.is_test_N, start=1)],
    )
    _write(
        folder / "bounding_boxes.txt",
        [
            f"{i} {left:.1f} {top:.1f} {right - left:.1f} {bottom - top:.1f}"
            for i, (left, top, right, bottom) in enumerate(table.boxes_N4, start=1)
        ],
    )
    if certainties_NA is None:
        certainties_NA = np.full(table.attributes_NA.shape, 3)
    _write(
        folder / "attributes" / "image_attribute_labels.txt",
        [
            f"{image} {attribute} {int(present)} {certainty} "
            + ("0  1.509" if image in odd_images else "27.7080")
            for image, (present_A, certainty_A) in enumerate(
                zip(table.attributes_NA, certainties_NA, strict=True), start=1
            )
            for attribute, (present, certainty) in enumerate(
                zip(present_A, certainty_A, strict=True), start=1
            )
        ],
    )
    _write(root / "attributes.txt", _numbered(table.attribute_names, " "))
    if images:
        write_images(folder / "images", table.files)
    return folder


def write_awa2(root: Path, table: Table, *, images: bool = True) -> Path:
    """Write AwA2's files and return ``Animals_with_Attributes2/``.

    A class's attributes are those of its first row; `is_test_N` has no place in this archive.
    """
    folder = root / "Animals_with_Attributes2"
    first_rows = [int(np.argmax(table.labels_N == k)) for k in range(len(table.class_names))]
    attributes_KA = table.attributes_NA[first_rows]
    _write(folder / "classes.txt", _numbered(table.class_names, "\t", width=12))
    _write(folder / "predicates.txt", _numbered(table.attribute_names, "\t", width=12))
    _write(
        folder / "predicate-matrix-binary.txt",
        [" ".join(str(int(present)) for present in row_A) for row_A in attributes_KA],
    )
    _write(
        folder / "predicate-matrix-continuous.txt",
        # Columns of one width, so that the white space between the numbers varies.
        ["".join(f"{62.5 * present + 7.5:8.2f}" for present in row_A) for row_A in attributes_KA],
    )
    _write(folder / "trainclasses.txt", table.class_names[1:])
    _write(folder / "testclasses.txt", table.class_names[:1])
    if images:
        write_images(folder / "JPEGImages", table.files)
    return folder


def write_apascal(root: Path, table: Table, *, images: bool = True) -> Path:
    """Write aPascal's part of the archive, rows of the training part first; return `root`."""
    _write_farhadi_names(root, table)
    for is_test, name in ((False, "apascal_train.txt"), (True, "apascal_test.txt")):
        rows = np.flatnonzero(table.is_test_N == is_test)
        _write(root / "attribute_data" / name, farhadi_lines(_rows(table, rows)))
    if images:
        write_images(root / "VOCdevkit" / "VOC2008" / "JPEGImages", table.files)
    return root


def write_ayahoo(root: Path, table: Table, *, images: bool = True) -> Path:
    """Write aYahoo's part of the archive; return `root`. `is_test_N` has no place in it."""
    _write_farhadi_names(root, table)
    _write(root / "attribute_data" / "ayahoo_test.txt", farhadi_lines(table))
    if images:
        write_images(root / "ayahoo_test_images", table.files)
    return root


def farhadi_lines(table: Table) -> list[str]:
    """Write objects as `<image> <class> <xmin> <ymin> <xmax> <ymax>` and bits, from pixel 1."""
    assert table.boxes_N4 is not None
    return [
        f"{file} {table.class_names[label]} {left + 1:.0f} {top + 1:.0f} {right:.0f} {bottom:.0f} "
        + " ".join(str(int(present)) for present in present_A)
        for file, label, (left, top, right, bottom), present_A in zip(
            table.files, table.labels_N, table.boxes_N4, table.attributes_NA, strict=True
        )
    ]


def write_images(folder: Path, names: Sequence[str]) -> None:
    """Write a small real JPEG for each name, of a few colours in turn."""
    for number, name in enumerate(dict.fromkeys(names)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_jpeg(number % 7))


def replace_line(path: Path, number: int, text: str | None) -> None:
    """Replace line `number`, counted from 1, or remove it."""
    lines = path.read_text().splitlines()
    lines[number - 1 : number] = [] if text is None else [text]
    _write(path, lines)


def assert_reads_as(archive: Archive, table: Table, images: str) -> None:
    """The archive states the table; `images` is the folder of images inside its root."""
    assert archive.class_names == table.class_names
    assert archive.attribute_names == table.attribute_names
    assert archive.files == tuple(f"{images}/{file}" for file in table.files)
    assert archive.labels_N.dtype == np.int64
    np.testing.assert_array_equal(archive.labels_N, table.labels_N)
    assert archive.attributes_NA.dtype == np.bool_
    np.testing.assert_array_equal(archive.attributes_NA, table.attributes_NA)
    if table.boxes_N4 is None:
        assert archive.boxes_N4 is None
    else:
        assert archive.boxes_N4 is not None
        np.testing.assert_array_equal(archive.boxes_N4, table.boxes_N4)


def _rows(table: Table, rows: npt.NDArray[np.int64]) -> Table:
    assert table.boxes_N4 is not None
    return table.but(
        files=tuple(table.files[row] for row in rows),
        labels_N=table.labels_N[rows],
        is_test_N=table.is_test_N[rows],
        attributes_NA=table.attributes_NA[rows],
        boxes_N4=table.boxes_N4[rows],
    )


def _class_names(name: str, count: int) -> tuple[str, ...]:
    if name == "cub":
        return tuple(f"{k + 1:03d}.Made_up_Bird_{k}" for k in range(count))
    if name == "awa2":
        # Not in alphabetical order, and with the archive's way of writing a space.
        return tuple(f"{'zyxwvu'[k % 6]}{k}+bear" for k in range(count))
    return tuple(f"{'thing' if name == 'apascal' else 'beast'}{k}" for k in range(count))


def _attribute_names(name: str, count: int) -> tuple[str, ...]:
    if name == "cub":
        return tuple(f"has_part_{a}::shade_(or_so)" for a in range(count))
    return tuple(f"predicate{a}" if name == "awa2" else f"{a}D Boxy" for a in range(count))


def _file_name(name: str, class_name: str, label: int, number: int) -> str:
    if name == "cub":
        return f"{class_name}/Made_Up_Bird_{number:04d}_{label}.jpg"
    if name == "awa2":
        return f"{class_name}/{class_name}_{10001 + number}.jpg"
    if name == "apascal":
        return f"2008_{100 * label + number:06d}.jpg"
    return f"{class_name}_{number}.jpg"


def _write_farhadi_names(root: Path, table: Table) -> None:
    """Both parts share the files of names: classes are added to those that are there."""
    folder = root / "attribute_data"
    path = folder / "class_names.txt"
    known = path.read_text().splitlines() if path.exists() else []
    _write(path, [*known, *(name for name in table.class_names if name not in known)])
    _write(folder / "attribute_names.txt", table.attribute_names)


def _numbered(names: Sequence[str], between: str, *, width: int = 0) -> list[str]:
    return [f"{number:{width}d}{between}{name}" for number, name in enumerate(names, start=1)]


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


@lru_cache
def _jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", IMAGE_SIZE, (30 * number, 200 - 20 * number, 90)).save(buffer, "JPEG")
    return buffer.getvalue()
