"""The form that counterfactual pairs are given in.

Shape letters: P pairs.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.data.types import Split
from core.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class CounterfactualPairs:
    """Pairs of images, row by row, that differ in one thing: an attribute, or a component.

    Raises
    ------
    DataError
        If both sides have not one row for each pair.
    """

    before: Split
    after: Split
    """`attributes_NA` says what each image shows. `labels_N` is the class of the image before, on
    both sides: what it was changed to may be no class at all."""

    changed_P: npt.NDArray[np.int64]
    """Column of the attribute that each pair was made for."""

    def __post_init__(self) -> None:
        rows = len(self.before), len(self.after), len(self.changed_P)
        if len(set(rows)) != 1:
            raise DataError(
                "Pairs must have one row before, one after and one attribute each, but there are "
                f"{rows[0]}, {rows[1]} and {rows[2]}."
            )

    def __len__(self) -> int:
        return len(self.changed_P)
