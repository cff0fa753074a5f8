"""Splits and datasets refuse arrays that do not fit together."""

from typing import Any

import numpy as np
import pytest

from core.data import Dataset, Split
from core.errors import DataError


def split(**changes: Any) -> Split:
    arrays: dict[str, Any] = {
        "images_NCHW": np.zeros((2, 1, 3, 3), dtype=np.uint8),
        "labels_N": np.array([0, 1], dtype=np.int64),
        "attributes_NA": np.array([[True, False], [False, True]]),
    }
    return Split(**(arrays | changes))


def dataset(**changes: Any) -> Dataset:
    parts: dict[str, Any] = {
        "name": "toy",
        "class_names": ("a", "b"),
        "attribute_names": ("p", "q"),
        "train": split(),
        "minival": split(),
        "test": split(),
    }
    return Dataset(**(parts | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels_N": np.array([0])}, "2 images, 1 labels and 2 attribute rows"),
        ({"images_NCHW": np.zeros((2, 1, 3, 3))}, "uint8 or float32 array of four dim.*float64"),
        ({"labels_N": np.array([0, 1], dtype=np.int32)}, "`labels_N` must be an int64.*int32"),
        ({"attributes_NA": np.zeros((2, 2))}, "`attributes_NA` must be a bool.*float64"),
    ],
)
def test_split_refuses_arrays_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attribute_names": ("p",)}, "2 attribute columns, but 1 names"),
        ({"class_names": ("a",)}, r"must lie in \[0, 1\), but reach from 0 to 1"),
        ({"attribute_names": ("p", "p")}, "attribute of 'toy' .* 'p' occurs 2 times"),
        (
            {"test": split(images_NCHW=np.zeros((2, 1, 4, 4), dtype=np.uint8))},
            "images of one shape",
        ),
    ],
)
def test_dataset_refuses_parts_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "tox"},
        {"class_names": ("a", "c")},
        {"attribute_names": ("q", "p")},
        {"train": split(labels_N=np.array([1, 0]))},
        {"test": split(attributes_NA=np.array([[True, True], [False, True]]))},
        {"minival": split(images_NCHW=np.ones((2, 1, 3, 3), dtype=np.uint8))},
    ],
)
def test_fingerprint_changes_with_every_part(changes: dict[str, Any]) -> None:
    assert dataset().fingerprint == dataset().fingerprint
    assert dataset(**changes).fingerprint != dataset().fingerprint
