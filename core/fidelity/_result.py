"""What a fidelity measurement returns.

Shape letter: A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """The candidate of b(v) that recovers each attribute best, attribute by attribute.

    An attribute that never occurs in the split has no match. `occurs_A` is False there, the
    scores are NaN, `feature_A` and `level_A` are -1 and `polarity_A` is False.
    """

    prevalence_A: npt.NDArray[np.float64]
    """Share of the samples that have the attribute, in [0, 1]."""

    occurs_A: npt.NDArray[np.bool_]
    """Whether the attribute occurs in the split, and so has an F1."""

    feature_A: npt.NDArray[np.int64]
    """Index i of the feature, counted from 0."""

    level_A: npt.NDArray[np.int64]
    """Level j that the feature is compared with."""

    polarity_A: npt.NDArray[np.bool_]
    """True for u1 = 1[v_i = j], False for u2 = 1[v_i != j]."""

    f1_A: npt.NDArray[np.float64]
    """F1 of that candidate, a fraction."""

    heldout_f1_A: npt.NDArray[np.float64] | None
    """F1, on this split, of the candidate chosen on the selection split; None without one."""

    floor_A: npt.NDArray[np.float64]
    """F1 of the better constant feature: 2a / (1 + a) at prevalence a."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fidelity:
    """Fidelity d_D(f || b o q o F) of Eq. 3, with what is needed to read it.

    `score`, `floor` and `heldout` are fractions in [0, 1] and means over the same attributes:
    those that occur in the split. So `heldout` never exceeds `score`.
    """

    score: float
    """Eq. 3: mean of the best F1 of each attribute."""

    floor: float
    """Mean of what constant features alone score."""

    heldout: float | None
    """Mean of the F1 of candidates chosen on the selection split; None without one."""

    num_absent_attributes: int
    """Attributes that never occur in the split. They are left out of all three means."""

    num_unselected_attributes: int | None
    """Attributes that occur here but never in the selection split: 0 each in `heldout`."""

    matches: Matches
    """The same, attribute by attribute."""

    def table(self, attribute_names: Sequence[str]) -> pa.Table:
        """Return the matches as a table of one row per attribute, in the order of the columns.

        Parameters
        ----------
        attribute_names
            One name for each attribute.

        Returns
        -------
        pyarrow.Table
            Columns attribute (string), prevalence (double), feature and level (int64),
            polarity (bool, true for "equals the level"), f1, heldout_f1 and floor (double,
            fractions). An attribute that never occurs has nulls after its prevalence; without
            a selection split the whole of heldout_f1 is null.

        Raises
        ------
        DataError
            If the number of names is not the number of attributes.
        """
        matches = self.matches
        num_attributes = len(matches.prevalence_A)
        if len(attribute_names) != num_attributes:
            raise DataError(
                "`attribute_names` must name every attribute once, but there are "
                f"{len(attribute_names)} names for {num_attributes} attributes."
            )
        absent_A = ~matches.occurs_A
        heldout_f1 = (
            pa.nulls(num_attributes, pa.float64())
            if matches.heldout_f1_A is None
            else pa.array(matches.heldout_f1_A, mask=absent_A)
        )
        return pa.table(
            {
                "attribute": pa.array(list(attribute_names), pa.string()),
                "prevalence": pa.array(matches.prevalence_A),
                "feature": pa.array(matches.feature_A, mask=absent_A),
                "level": pa.array(matches.level_A, mask=absent_A),
                "polarity": pa.array(matches.polarity_A, mask=absent_A),
                "f1": pa.array(matches.f1_A, mask=absent_A),
                "heldout_f1": heldout_f1,
                "floor": pa.array(matches.floor_A, mask=absent_A),
            }
        )
