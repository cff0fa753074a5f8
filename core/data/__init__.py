"""Datasets: images, classes, and the attributes that training never sees."""

from core.data.bundled import FieldGuideParams, load_digits, load_field_guide
from core.data.registry import (
    BUNDLED_DATASETS,
    DATASETS,
    PACKED_DATASETS,
    check_dataset,
    load_dataset,
)
from core.data.types import Dataset, Split

__all__ = [
    "BUNDLED_DATASETS",
    "DATASETS",
    "PACKED_DATASETS",
    "Dataset",
    "FieldGuideParams",
    "Split",
    "check_dataset",
    "load_dataset",
    "load_digits",
    "load_field_guide",
]
