"""CUB-200-2011 as it unpacks: 11,788 photos of 200 birds, with 312 attributes an image.

Wah, Branson, Welinder, Perona, Belongie, "The Caltech-UCSD Birds-200-2011 Dataset", 2011.

Shape letters: N images.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.data.archives._published import PUBLISHED_SIZES
from core.data.archives._table import Archive, Check
from core.data.archives.cub_attributes import read_attribute_labels
from core.data.archives.files import (
    Layout,
    Line,
    StrPath,
    filled,
    find_folder,
    first_names,
    missing_images_warnings,
    read_by_id,
    unique_names,
    whole_number,
)
from core.errors import ConfigError, DataError

__all__ = ["read_cub"]

K = TypeVar("K")
T = TypeVar("T")

_LAYOUT = Layout(
    "CUB-200-2011",
    """\
  CUB_200_2011/
    images.txt  image_class_labels.txt  train_test_split.txt  classes.txt  bounding_boxes.txt
    images/001.Black_footed_Albatross/*.jpg  and 199 folders more
    attributes/image_attribute_labels.txt
  attributes.txt  (beside CUB_200_2011/, or moved into it or into its attributes/)""",
)


def read_cub(root: StrPath, *, min_certainty: int | None = None) -> Archive:
    """Read CUB-200-2011: one row an image, in the order of images.txt.

    Classes and attributes have the order of classes.txt and attributes.txt. The files are joined by
    id, so that lines may come in any order and ids need not be contiguous; an image that one of the
    files leaves out, or does not know, is an error. Boxes are `x y w h` and become x, y, x + w,
    y + h; they cut nothing out.

    Parameters
    ----------
    root
        ``CUB_200_2011/`` or the folder that holds it.
    min_certainty
        Take an attribute as present only where the annotator was at least this certain: 1 not
        visible, 2 guessing, 3 probably, 4 definitely. None takes presence as given.

    Returns
    -------
    Archive
        With `attributes_NA` per image. Its checks hold the published counts, its warnings the
        images that are missing (their rows stay), boxes without area (taken as the whole image),
        and classes without images.

    Raises
    ------
    ConfigError
        If `min_certainty` is none of 1 to 4.
    DataError
        If a file is missing, malformed or cut short, or if no image is there.

    Examples
    --------
    >>> archive = read_cub("CUB_200_2011")  # doctest: +SKIP
    >>> archive.attributes_NA.shape  # doctest: +SKIP
    (11788, 312)
    """
    _require_certainty(min_certainty)
    folder = find_folder(root, (".", "CUB_200_2011"), marker="images.txt", layout=_LAYOUT)
    images = read_by_id(folder / "images.txt", _LAYOUT, form="<id> <folder/file.jpg>", parse=filled)
    classes = read_by_id(folder / "classes.txt", _LAYOUT, form="<id> <name>", parse=filled)
    attributes_path, warnings = _find_attribute_names(folder)
    attributes = read_by_id(attributes_path, _LAYOUT, form="<id> <name>", parse=filled)

    label_of = {identity: label for label, identity in enumerate(classes)}
    labels = _read_of_images(
        images,
        folder / "image_class_labels.txt",
        form="<image> <class>, the class an id of classes.txt",
        parse=lambda text: _look_up(label_of, whole_number(text)),
    )
    is_train = _read_of_images(
        images,
        folder / "train_test_split.txt",
        form="<image> <1 = train, 0 = test>",
        parse=lambda text: _look_up({"0": False, "1": True}, text),
    )
    boxes = _read_of_images(
        images,
        folder / "bounding_boxes.txt",
        form="<image> <x> <y> <width> <height>, in pixels",
        parse=_parse_box,
    )
    annotated = read_attribute_labels(
        folder / "attributes" / "image_attribute_labels.txt", images, attributes, _LAYOUT
    )

    files = tuple(f"images/{name}" for name in unique_names(images.values()))
    labels_N = np.array(labels, dtype=np.int64)
    is_test_N = ~np.array(is_train, dtype=np.bool_)
    boxes_N4 = np.array(boxes)
    has_no_area_N = (boxes_N4[:, 0] >= boxes_N4[:, 2]) | (boxes_N4[:, 1] >= boxes_N4[:, 3])
    boxes_N4[has_no_area_N] = np.nan
    attributes_NA = annotated.present_NA
    if min_certainty is not None:
        attributes_NA = attributes_NA & (annotated.certainty_NA >= min_certainty)
    class_names = unique_names(classes.values())

    if has_no_area_N.any():
        names = [files[row] for row in np.flatnonzero(has_no_area_N)]
        warnings.append(
            "Boxes of bounding_boxes.txt without area are taken as the whole image "
            f"({len(names)}): {first_names(names)}."
        )
    empty = [class_names[label] for label in sorted(set(range(len(class_names))) - set(labels))]
    if empty:
        warnings.append(
            f"Classes of classes.txt without an image ({len(empty)}): {first_names(empty)}."
        )
    warnings += missing_images_warnings(folder, files, listed_in="images.txt", layout=_LAYOUT)
    published = PUBLISHED_SIZES["cub"]
    return Archive(
        name="cub",
        root=folder,
        class_names=class_names,
        attribute_names=unique_names(attributes.values()),
        files=files,
        boxes_N4=boxes_N4,
        crops=False,
        labels_N=labels_N,
        is_test_N=is_test_N,
        attributes_NA=attributes_NA,
        attributes_per_class=False,
        checks=(
            Check("images", 11788, len(files)),
            Check("classes", published.classes, len(class_names)),
            Check("attributes", 312, len(attributes)),
            Check("train images", published.train, int(np.count_nonzero(~is_test_N))),
            Check("test images", published.test, int(np.count_nonzero(is_test_N))),
        ),
        warnings=tuple(warnings),
    )


def _require_certainty(min_certainty: int | None) -> None:
    if min_certainty is not None and min_certainty not in (1, 2, 3, 4):
        raise ConfigError(
            "`min_certainty` must be 1 (not visible), 2 (guessing), 3 (probably), 4 (definitely) "
            f"or None, but got {min_certainty!r}."
        )


def _find_attribute_names(folder: Path) -> tuple[Path, list[str]]:
    # The nearest first: a file beside the folder could be another dataset's.
    name = "attributes.txt"
    places = [folder / name, folder / "attributes" / name, folder.parent / name]
    found = [place for place in places if place.is_file()]
    if not found:
        raise _LAYOUT.missing(name, places)
    if len(found) == 1:
        return found[0], []
    others = " and ".join(repr(str(place)) for place in found[1:])
    return found[0], [f"attributes.txt is read from {str(found[0])!r}, not from {others}."]


def _read_of_images(
    images: Mapping[int, tuple[str, Line]],
    path: Path,
    *,
    form: str,
    parse: Callable[[str], T],
) -> list[T]:
    """Read a value for each image, in the order of images.txt."""
    values = read_by_id(path, _LAYOUT, form=form, parse=parse)
    for identity, (_, line) in values.items():
        if identity not in images:
            raise line.error(f"Each image of {path.name} must be one of images.txt")
    lacking = [identity for identity in images if identity not in values]
    if lacking:
        names = [f"{identity} ({images[identity][0]})" for identity in lacking]
        raise DataError(
            f"{str(path)!r} must have a line for each image of images.txt, but {len(lacking)} have "
            f"none: {first_names(names)}. Unpack the archive again."
        )
    return [values[identity][0] for identity in images]


def _look_up(table: Mapping[K, T], key: K) -> T:
    if key not in table:
        raise ValueError(key)
    return table[key]


def _parse_box(text: str) -> tuple[float, float, float, float]:
    left, top, width, height = map(float, text.split())
    if not np.isfinite([left, top, width, height]).all():
        raise ValueError(text)
    return left, top, left + width, top + height
