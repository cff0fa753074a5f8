"""Datasets in memory: images, classes, and the attributes that training never sees."""

from core.data._registry import DATASETS, load_dataset
from core.data._types import Dataset, Split
from core.data.digits import load_digits
from core.data.field_guide import FieldGuideParams, load_field_guide

__all__ = [
    "DATASETS",
    "Dataset",
    "FieldGuideParams",
    "Split",
    "load_dataset",
    "load_digits",
    "load_field_guide",
]
