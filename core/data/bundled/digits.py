"""Handwritten digits with stroke attributes: small, real and without a download.

The images are scikit-learn's 1797 digits (the test part of the UCI set "Optical Recognition of
Handwritten Digits"). The attributes belong to the class, as in AwA2, and describe how its shape is
usually written in this set: most fours are open at the top and most sevens are crossed.

Shape letters: N samples, K classes, A attributes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.data.splits import cut, stratified_splits
from core.data.types import Dataset

__all__ = ["CLASS_ATTRIBUTES_KA", "DIGIT_ATTRIBUTES", "DigitAttribute", "load_digits"]

_CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_INK_LEVELS = 16
_TEST_SHARE = 0.2
_MINIVAL_SHARE = 0.1


@dataclass(frozen=True)
class DigitAttribute:
    """One column of the table."""

    name: str
    digits: frozenset[int]
    """The digits that have it."""

    definition: str


DIGIT_ATTRIBUTES: tuple[DigitAttribute, ...] = (
    DigitAttribute(
        "one closed loop",
        frozenset({0, 6, 9}),
        "The line encloses exactly one area.",
    ),
    DigitAttribute(
        "two closed loops",
        frozenset({8}),
        "The line encloses two areas, one above the other.",
    ),
    DigitAttribute(
        "loop in the lower half",
        frozenset({6, 8}),
        "An enclosed area lies wholly in the lower half.",
    ),
    DigitAttribute(
        "loop in the upper half",
        frozenset({8, 9}),
        "An enclosed area lies wholly in the upper half.",
    ),
    DigitAttribute(
        "open top",
        frozenset({4}),
        "Two strokes rise side by side and leave a gap that opens upward.",
    ),
    DigitAttribute(
        "bar at the head",
        frozenset({5, 7}),
        "A straight horizontal stroke forms the top.",
    ),
    DigitAttribute(
        "bar at the foot",
        frozenset({2}),
        "A horizontal stroke forms the bottom.",
    ),
    DigitAttribute(
        "bar across the middle",
        frozenset({4, 7}),
        "A horizontal stroke crosses another stroke at half height.",
    ),
    DigitAttribute(
        "upright stroke",
        frozenset({1, 4}),
        "A straight vertical stroke runs down to the foot.",
    ),
    DigitAttribute(
        "diagonal",
        frozenset({2, 7}),
        "A stroke descends from the upper right to the lower left.",
    ),
    DigitAttribute(
        "hook at the foot",
        frozenset({3, 5, 9}),
        "The line curves round at the bottom and ends at the lower left.",
    ),
    DigitAttribute(
        "bowl at the head",
        frozenset({2, 3}),
        "The upper half is an arc that is open to the left.",
    ),
    DigitAttribute(
        "two bulges on the right",
        frozenset({3, 8}),
        "The right side bulges twice, with a waist at half height.",
    ),
    DigitAttribute(
        "straight strokes only",
        frozenset({1, 4, 7}),
        "The digit can be written with straight strokes alone.",
    ),
    DigitAttribute(
        "no free end",
        frozenset({0, 8}),
        "The line returns to where it began.",
    ),
    DigitAttribute(
        "stem at the upper left",
        frozenset({5, 6}),
        "A stroke descends at the upper left, and the right side opposite is empty.",
    ),
)

CLASS_ATTRIBUTES_KA: npt.NDArray[np.bool_] = np.array(
    [[digit in attribute.digits for attribute in DIGIT_ATTRIBUTES] for digit in range(10)]
)
"""Which attributes each digit has."""
CLASS_ATTRIBUTES_KA.flags.writeable = False


def load_digits(*, split_seed: int = 0) -> Dataset:
    """Load the digits: images of shape (1, 8, 8), ten classes, 16 attributes.

    About 20 % of each class is the test split, the same for every seed, and about 10 % is minival.

    Parameters
    ----------
    split_seed
        Seed that cuts minival from the training part.

    Raises
    ------
    ConfigError
        If `split_seed` is negative.

    Examples
    --------
    >>> load_digits().image_shape
    (1, 8, 8)
    """
    # Imported here, since it takes a second that readers of other datasets need not pay.
    from sklearn.datasets import load_digits as load_sklearn_digits

    raw = load_sklearn_digits()
    labels_N = raw.target.astype(np.int64)
    # Ink comes in 0 to 16; the nearest grey keeps all 17 levels apart.
    images_NCHW = np.rint(raw.images[:, None] * (255 / _INK_LEVELS)).astype(np.uint8)
    indices = stratified_splits(
        labels_N, test_share=_TEST_SHARE, minival_share=_MINIVAL_SHARE, split_seed=split_seed
    )
    return cut(
        indices,
        name="digits",
        class_names=_CLASS_NAMES,
        attribute_names=tuple(attribute.name for attribute in DIGIT_ATTRIBUTES),
        images_NCHW=images_NCHW,
        labels_N=labels_N,
        attributes_NA=CLASS_ATTRIBUTES_KA[labels_N],
    )
