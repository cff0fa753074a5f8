"""What is told of a split's classes and near duplicates.

Shape letters: N pictures, K classes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.data.archives.files import first_names


def small_classes(
    labels_N: npt.NDArray[np.int64], is_test_N: npt.NDArray[np.bool_], class_names: Sequence[str]
) -> list[str]:
    size_K = np.bincount(labels_N, minlength=len(class_names))
    test_K = np.bincount(labels_N[is_test_N], minlength=len(class_names))
    sentences = []
    single = [name for name, size in zip(class_names, size_K, strict=True) if size == 1]
    if single:
        sentences.append(
            f"Classes of one picture, which is trained on and never tested ({len(single)}): "
            f"{first_names(single)}."
        )
    untested = [
        name
        for name, size, tested in zip(class_names, size_K, test_K, strict=True)
        if size > 1 and not tested
    ]
    if untested:
        sentences.append(
            f"Classes without a picture in the test part ({len(untested)}): "
            f"{first_names(untested)}."
        )
    return sentences


def alike_pictures(
    labels_N: npt.NDArray[np.int64],
    is_test_N: npt.NDArray[np.bool_],
    groups_N: npt.NDArray[np.int64],
    files: Sequence[str],
) -> list[str]:
    """What near duplicates there are, and which of them make accuracy look better than it is."""
    num_groups = len(np.unique(groups_N))
    if num_groups == len(groups_N):
        return []
    sentences = [
        f"Near duplicates: {len(groups_N) - num_groups} of the {len(groups_N)} pictures show "
        "nearly what another shows."
    ]
    both = np.intersect1d(groups_N[is_test_N], groups_N[~is_test_N])
    leaking = np.flatnonzero(is_test_N & np.isin(groups_N, both))
    if len(leaking):
        names = [files[row] for row in leaking.tolist()]
        sentences.append(
            f"Test pictures with a near duplicate in the training part ({len(names)}): "
            f"{first_names(names)}. Accuracy on test is too good by them."
        )
    pairs = np.unique(np.stack([groups_N, labels_N], axis=1), axis=0)
    groups, classes_of_group = np.unique(pairs[:, 0], return_counts=True)
    torn = [files[int(np.argmax(groups_N == group))] for group in groups[classes_of_group > 1]]
    if torn:
        sentences.append(
            f"Groups of near duplicates with more than one class ({len(torn)}): "
            f"{first_names(torn)}. Are their classes right?"
        )
    return sentences
