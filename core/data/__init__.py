"""Datasets: images, classes, and the attributes that training never sees."""

from core.data.bundled import (
    FieldGuideParams,
    KanjiParams,
    load_digits,
    load_field_guide,
    load_kanji,
)
from core.data.counterfactual import CounterfactualPairs
from core.data.registry import (
    BUNDLED_DATASETS,
    COUNTERFACTUAL_DATASETS,
    DATASETS,
    PACKED_DATASETS,
    check_dataset,
    counterfactual_pairs,
    dataset_name,
    dataset_preset,
    load_dataset,
)
from core.data.types import Dataset, Split

__all__ = [
    "BUNDLED_DATASETS",
    "COUNTERFACTUAL_DATASETS",
    "DATASETS",
    "PACKED_DATASETS",
    "CounterfactualPairs",
    "Dataset",
    "FieldGuideParams",
    "KanjiParams",
    "Split",
    "check_dataset",
    "counterfactual_pairs",
    "dataset_name",
    "dataset_preset",
    "load_dataset",
    "load_digits",
    "load_field_guide",
    "load_kanji",
]
