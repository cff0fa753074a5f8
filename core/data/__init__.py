"""Datasets: images, classes, and the attributes that training never sees."""

from core.data._registry import (
    BUNDLED_DATASETS,
    DATASETS,
    PACKED_DATASETS,
    check_dataset,
    load_dataset,
)
from core.data._types import Dataset, Split
from core.data.digits import load_digits
from core.data.field_guide import FieldGuideParams, load_field_guide

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
