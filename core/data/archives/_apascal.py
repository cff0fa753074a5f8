"""aPascal as it unpacks: 12,695 objects of VOC 2008's 20 classes, with 64 attributes an object.

Shape letters: N objects.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from core.data.archives._farhadi import (
    LAYOUT,
    classes_that_occur,
    find_images,
    find_root,
    read_names,
    read_objects,
)
from core.data.archives._published import PUBLISHED_SIZES
from core.data.archives._table import Archive, Check
from core.data.archives.files import StrPath, first_names, missing_images_warnings
from core.errors import ConfigError

__all__ = ["ObjectChoice", "read_apascal"]

ObjectChoice = Literal["all", "one-per-image"]


def read_apascal(root: StrPath, *, objects: ObjectChoice = "all") -> Archive:
    """Read aPascal: one row an object, those of apascal_train.txt and then of apascal_test.txt.

    Classes are those of class_names.txt that have an object here: VOC's 20.

    Parameters
    ----------
    root
        The folder that holds ``attribute_data/`` and ``VOCdevkit/``, or ``attribute_data/``.
    objects
        "all", or "one-per-image" for the object with the largest box of each image (the first of
        equals; a box without area counts as none). The paper's count of test images, 2227, is one
        object an image; its count of training images, 2869, is neither.

    Returns
    -------
    Archive
        Objects are cropped by their boxes, which are converted from VOC's form, in which pixels
        count from 1 and the right and bottom belong to the box. The checks hold the published
        counts; the warnings the boxes without area (taken as the whole image), images that are
        missing (their rows stay), and images of both parts.

    Raises
    ------
    ConfigError
        If `objects` is neither of the two.
    DataError
        If a file is missing or malformed, or if no image is there.

    Examples
    --------
    >>> archive = read_apascal("farhadi", objects="one-per-image")  # doctest: +SKIP
    >>> [str(check.found) for check in archive.checks[-2:]]  # doctest: +SKIP
    ['2113', '2227']
    """
    if objects not in get_args(ObjectChoice):
        raise ConfigError(f"`objects` must be 'all' or 'one-per-image', but got {objects!r}.")
    folder = find_root(root)
    all_classes = read_names(folder, "class_names.txt")
    attribute_names = read_names(folder, "attribute_names.txt")
    train, test = (
        read_objects(folder, file_name, all_classes, attribute_names)
        for file_name in ("apascal_train.txt", "apascal_test.txt")
    )
    image_folder = find_images(folder, "VOCdevkit/VOC2008/JPEGImages", "VOC2008/JPEGImages")
    files = [f"{image_folder}/{image}" for image in train.images + test.images]
    class_names, labels_N = classes_that_occur(all_classes, train.classes + test.classes)
    boxes_N4 = np.concatenate([train.boxes_N4, test.boxes_N4])
    attributes_NA = np.concatenate([train.attributes_NA, test.attributes_NA])
    is_test_N = np.repeat([False, True], [len(train), len(test)])

    warnings = [*train.warnings, *test.warnings]
    shared = sorted(set(train.images) & set(test.images))
    if shared:
        warnings.append(
            f"Images with objects in apascal_train.txt and in apascal_test.txt ({len(shared)}): "
            f"{first_names(shared)}."
        )
    warnings += missing_images_warnings(
        folder, files, listed_in="apascal_train.txt or apascal_test.txt", layout=LAYOUT
    )
    rows = np.arange(len(files))
    published = PUBLISHED_SIZES["apascal"]
    if objects == "one-per-image":
        rows = _largest_of_each_image(files, boxes_N4)
        published = published._replace(train=2869, test=2227)
    num_train, num_test = np.bincount(is_test_N[rows], minlength=2).tolist()
    return Archive(
        name="apascal",
        root=folder,
        class_names=class_names,
        attribute_names=attribute_names,
        files=tuple(files[row] for row in rows),
        boxes_N4=boxes_N4[rows],
        crops=True,
        labels_N=labels_N[rows],
        is_test_N=is_test_N[rows],
        attributes_NA=attributes_NA[rows],
        attributes_per_class=False,
        checks=(
            Check("classes", published.classes, len(class_names)),
            Check("attributes", 64, len(attribute_names)),
            Check("train objects", published.train, num_train),
            Check("test objects", published.test, num_test),
            Check("train images", 2113, len(set(train.images))),
            Check("test images", 2227, len(set(test.images))),
        ),
        warnings=tuple(warnings),
    )


def _largest_of_each_image(
    files: Sequence[str], boxes_N4: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    areas_N = np.nan_to_num(
        (boxes_N4[:, 2] - boxes_N4[:, 0]) * (boxes_N4[:, 3] - boxes_N4[:, 1]), nan=0.0
    )
    largest: dict[str, int] = {}
    for row, file in enumerate(files):
        if file not in largest or areas_N[row] > areas_N[largest[file]]:
            largest[file] = row
    return np.array(sorted(largest.values()), dtype=np.int64)
