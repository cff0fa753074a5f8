"""aYahoo as it unpacks: 2,644 objects of 12 classes, with 64 attributes an object.

Shape letters: N objects.
"""

from typing import Literal, get_args

import numpy as np

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
from core.data.archives.files import StrPath, missing_images_warnings
from core.data.splits import require_seed, smaller_part, stratified_group_holdout
from core.errors import ConfigError

__all__ = ["SplitRule", "read_ayahoo"]

SplitRule = Literal["image", "paper"]


def read_ayahoo(root: StrPath, *, split: SplitRule = "image", test_seed: int = 0) -> Archive:
    """Read aYahoo: one row an object, in the order of ayahoo_test.txt.

    The archive is one part (a test set to aPascal's training). The paper cuts it 70/30 at random
    into 1850 and 794 objects. Objects that share an image share its pixels, so cutting by object
    puts some test pixels into training; by default whole images are held out.

    Classes are those of class_names.txt that have an object here: 12.

    Parameters
    ----------
    root
        The folder that holds ``attribute_data/`` and ``ayahoo_test_images/``, or
        ``attribute_data/``.
    split
        "image" holds out whole images, of each class its share, up to the published number of
        objects; "paper" holds out objects, as many as were published.
    test_seed
        Seed of the test split. Numbers are comparable between equal seeds only.

    Returns
    -------
    Archive
        Objects are cropped by their boxes, which are converted as aPascal's are. The checks hold
        the published counts; the warnings the boxes without area (taken as the whole image), images
        that are missing (their rows stay), and, with "paper", how many images the parts share.

    Raises
    ------
    ConfigError
        If `split` is neither of the two, or if `test_seed` is negative.
    DataError
        If a file is missing or malformed, or if no image is there.

    Examples
    --------
    >>> archive = read_ayahoo("farhadi")  # doctest: +SKIP
    >>> len(archive), int(archive.is_test_N.sum())  # doctest: +SKIP
    (2644, 794)
    """
    if split not in get_args(SplitRule):
        raise ConfigError(f"`split` must be 'image' or 'paper', but got {split!r}.")
    require_seed("test_seed", test_seed)
    folder = find_root(root)
    all_classes = read_names(folder, "class_names.txt")
    attribute_names = read_names(folder, "attribute_names.txt")
    objects = read_objects(folder, "ayahoo_test.txt", all_classes, attribute_names)
    image_folder = find_images(folder, "ayahoo_test_images", "attribute_data/ayahoo_test_images")
    files = tuple(f"{image_folder}/{image}" for image in objects.images)
    class_names, labels_N = classes_that_occur(all_classes, objects.classes)

    number_of = {file: number for number, file in enumerate(dict.fromkeys(files))}
    images_N = np.array([number_of[file] for file in files], dtype=np.int64)
    is_test_N = stratified_group_holdout(
        labels_N,
        images_N if split == "image" else np.arange(len(files)),
        smaller_part(len(files)),
        seed=test_seed,
    )
    warnings = list(objects.warnings)
    shared = np.intersect1d(images_N[is_test_N], images_N[~is_test_N])
    if len(shared):
        warnings.append(
            f"The split is by object, so images have objects in both parts ({len(shared)} of "
            f"{len(number_of)}): test scores see pixels of training."
        )
    warnings += missing_images_warnings(folder, files, listed_in="ayahoo_test.txt", layout=LAYOUT)
    published = PUBLISHED_SIZES["ayahoo"]
    return Archive(
        name="ayahoo",
        root=folder,
        class_names=class_names,
        attribute_names=attribute_names,
        files=files,
        boxes_N4=objects.boxes_N4,
        crops=True,
        labels_N=labels_N,
        is_test_N=is_test_N,
        attributes_NA=objects.attributes_NA,
        attributes_per_class=False,
        checks=(
            Check("classes", published.classes, len(class_names)),
            Check("attributes", 64, len(attribute_names)),
            Check("objects", 2644, len(files)),
            Check("images", 2237, len(number_of)),
            Check("train objects", published.train, int(np.count_nonzero(~is_test_N))),
            Check("test objects", published.test, int(np.count_nonzero(is_test_N))),
        ),
        warnings=tuple(warnings),
    )
