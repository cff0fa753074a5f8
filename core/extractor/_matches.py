"""b(v) of section 5, and which of its entries says which semantic attribute.

Shape letters: N samples, D features, L levels, A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.fidelity import Fidelity

Levels = npt.NDArray[np.uint8]


def binarize(levels_ND: Levels, *, num_levels: int) -> npt.NDArray[np.bool_]:
    """Cast levels into the binary features of section 5: b(v) = (u1 || u2).

    Parameters
    ----------
    levels_ND
        v = q(F(x)), whole numbers from 0 to L - 1.
    num_levels
        L = 2^r.

    Returns
    -------
    numpy.ndarray
        (N, 2 * D * L) bool. Column ``i * L + j`` is u1, feature i has level j; column
        ``D * L + i * L + j`` is u2, it has another level.

    Examples
    --------
    >>> binarize(np.array([[1, 0]], dtype=np.uint8), num_levels=2).astype(int)
    array([[0, 1, 1, 0, 1, 0, 0, 1]])
    """
    equals_NDL = levels_ND[:, :, None] == np.arange(num_levels, dtype=np.uint8)
    width = levels_ND.shape[1] * num_levels
    bits_NC = np.empty((len(levels_ND), 2 * width), dtype=np.bool_)
    bits_NC[:, :width] = equals_NDL.reshape(len(levels_ND), width)
    np.logical_not(bits_NC[:, :width], out=bits_NC[:, width:])
    return bits_NC


@dataclass(frozen=True, kw_only=True)
class AttributeMatch:
    """The entry of b(v) that recovers one attribute best (Eq. 3)."""

    attribute: str
    """Its name."""

    feature: int
    """i, counted from 0."""

    level: int
    """j."""

    polarity: bool
    """True for 1[v_i = j], False for 1[v_i != j]."""

    f1: float
    """F1 of that entry on the split that it was chosen on, a fraction."""

    heldout_f1: float | None
    """F1 there of the entry that another split would choose; None without one."""

    floor: float
    """F1 of the better constant feature on that split."""

    @property
    def is_informative(self) -> bool:
        """Whether the entry says more of the attribute than a constant does."""
        return self.f1 > self.floor

    def holds(self, levels_ND: Levels) -> npt.NDArray[np.bool_]:
        """(N,) Whether the entry is 1."""
        return np.asarray((levels_ND[:, self.feature] == self.level) == self.polarity)

    def holds_within(self, lowest: int, highest: int) -> bool | None:
        """What the entry is for every level of a range, ends included; None if that varies."""
        if not lowest <= self.level <= highest:
            return not self.polarity
        return self.polarity if lowest == highest else None


def attribute_matches(
    fidelity: Fidelity, attribute_names: Sequence[str]
) -> tuple[AttributeMatch, ...]:
    """The match of each attribute that occurs in the measured split, in the columns' order."""
    rows = fidelity.table(attribute_names).to_pylist()
    return tuple(
        AttributeMatch(
            **{name: row[name] for name in AttributeMatch.__dataclass_fields__},
        )
        for row in rows
        if row["feature"] is not None
    )


def matched(
    levels_ND: Levels, matches: Sequence[AttributeMatch]
) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """Names of the attributes with an informative match, and whether each holds, (N, A)."""
    useful = [match for match in matches if match.is_informative]
    holds_NA = np.zeros((len(levels_ND), len(useful)), dtype=np.bool_)
    for column, match in enumerate(useful):
        holds_NA[:, column] = match.holds(levels_ND)
    return [match.attribute for match in useful], holds_NA
