"""Cuts of rows into train, minival and test that keep the classes' shares."""

from core.data.splits._grouped import require_seed, smaller_part, stratified_group_holdout
from core.data.splits._stratified import SplitIndices, cut, stratified_holdout, stratified_splits

__all__ = [
    "SplitIndices",
    "cut",
    "require_seed",
    "smaller_part",
    "stratified_group_holdout",
    "stratified_holdout",
    "stratified_splits",
]
