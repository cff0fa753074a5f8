"""What attributes, levels and classes must look like to be measured.

Shape letters: N samples, D features, A attributes.
"""

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DataError

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.integer]
Attributes = Bools | Integers
"""Bool, or the integers 0 and 1."""


def check_num_levels(num_levels: int) -> None:
    """Refuse a quantizer of fewer than two levels."""
    if num_levels < 2:
        raise ConfigError(
            f"`num_levels` must be at least 2, but got {num_levels}. Give 2 to the number of bits."
        )


def check_labels(split: str, labels_N: Integers, num_samples: int) -> None:
    """Refuse classes that are no integers from 0 upward, one for each sample."""
    if labels_N.shape != (num_samples,) or not np.issubdtype(labels_N.dtype, np.integer):
        raise DataError(
            f"Labels of {split} must be integers, one for each of {num_samples} samples, but have "
            f"dtype {labels_N.dtype} and shape {labels_N.shape}."
        )
    if num_samples and labels_N.min() < 0:
        raise DataError(
            f"Labels of {split} must be counted from 0, but the smallest is {labels_N.min()}. "
            "Leave out samples without a class."
        )


def checked_predictions(attributes_NA: Attributes, predicted_NA: Attributes) -> tuple[Bools, Bools]:
    """Check attributes and what is predicted of them, and return both as bool."""
    if attributes_NA.ndim != 2 or 0 in attributes_NA.shape:
        raise DataError(
            "Attributes must be a matrix with at least one row and one column, but the shape is "
            f"{attributes_NA.shape}."
        )
    if predicted_NA.shape != attributes_NA.shape:
        raise DataError(
            "Predictions must have the attributes' shape, one column for each, but have "
            f"{predicted_NA.shape} for {attributes_NA.shape}."
        )
    return _as_bool("this split", attributes_NA), _as_bool("the predictions", predicted_NA)


def checked_flags(
    split: str,
    attributes_NA: Attributes,
    levels_ND: Integers,
    num_levels: int,
    *,
    may_be_absent: bool = False,
) -> Bools:
    """Check one split's arrays and return its attributes as bool.

    At least one attribute must occur, unless `may_be_absent`.
    """
    for name, array in (("Attributes", attributes_NA), ("Levels", levels_ND)):
        if array.ndim != 2 or 0 in array.shape:
            raise DataError(
                f"{name} of {split} must be a matrix with at least one row and one column, "
                f"but the shape is {array.shape}."
            )
    if len(attributes_NA) != len(levels_ND):
        raise DataError(
            f"Attributes and levels of {split} must have one row per sample, but have "
            f"{len(attributes_NA)} and {len(levels_ND)} rows."
        )
    if not np.issubdtype(levels_ND.dtype, np.integer):
        raise DataError(
            f"Levels of {split} must be integers, but the dtype is {levels_ND.dtype}. "
            "Quantize the features and cast them to uint8."
        )
    if levels_ND.min() < 0 or levels_ND.max() >= num_levels:
        raise DataError(
            f"Levels of {split} must lie in [0, {num_levels}), but reach from {levels_ND.min()} "
            f"to {levels_ND.max()}. `num_levels` must be that of the quantizer."
        )
    flags_NA = _as_bool(split, attributes_NA)
    if not may_be_absent and not flags_NA.any():
        raise DataError(
            f"At least one attribute must occur in {split}, but all {flags_NA.shape[1]} are "
            "absent from every sample. Without positives F1 is undefined."
        )
    return flags_NA


def _as_bool(split: str, attributes_NA: Attributes) -> Bools:
    flags_NA = attributes_NA.astype(np.bool_)
    is_binary_dtype = attributes_NA.dtype == np.bool_ or np.issubdtype(
        attributes_NA.dtype, np.integer
    )
    if not is_binary_dtype or not np.array_equal(flags_NA, attributes_NA):
        raise DataError(
            f"Attributes of {split} must be bool or the integers 0 and 1, but have dtype "
            f"{attributes_NA.dtype} and reach from {attributes_NA.min()} to "
            f"{attributes_NA.max()}. Threshold them first."
        )
    return flags_NA


def check_same_columns(
    flags_NA: Bools,
    levels_ND: Integers,
    other_attributes_NA: Attributes,
    other_levels_ND: Integers,
    *,
    name: str = "the selection split",
) -> None:
    """Refuse another split, which errors call `name`, of other attributes or features."""
    here = (flags_NA.shape[1:], levels_ND.shape[1:])
    there = (other_attributes_NA.shape[1:], other_levels_ND.shape[1:])
    if here != there:
        raise DataError(
            "Both splits must have the same attributes and features, but this split has "
            f"{here[0]} and {here[1]} columns and {name} {there[0]} and {there[1]}."
        )
