"""What each attribute's match says of every sample, when the match is chosen elsewhere.

Shape letters: N samples, D features, A attributes.
"""

import numpy as np

from core.fidelity._candidates import Candidates, best_candidates
from core.fidelity._counts import Bools, Integers
from core.fidelity._inputs import Attributes, check_num_levels, check_same_columns, checked_flags

Selection = tuple[Attributes, Integers]
"""Attributes and levels of the split that choices are made on."""


def checked_pair(
    attributes_NA: Attributes,
    levels_ND: Integers,
    num_levels: int,
    selection: Selection | None,
    *,
    name: str = "the selection split",
) -> tuple[Bools, Bools, Integers]:
    """Check both splits: this one's attributes as bool, then the choosing one's and its levels.

    Without a selection split this split chooses for itself. `name` is what errors call it.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`.
    """
    check_num_levels(num_levels)
    flags_NA = checked_flags("this split", attributes_NA, levels_ND, num_levels)
    if selection is None:
        return flags_NA, flags_NA, levels_ND
    check_same_columns(flags_NA, levels_ND, *selection, name=name)
    return flags_NA, checked_flags(name, *selection, num_levels), selection[1]


class Matched:
    """Eq. 3's match of each attribute, chosen by F1 on one split, to be asked about others.

    An attribute that never occurs where the choice is made has no match: what fits its samples is
    "never", which is what `predict` says of it.
    """

    def __init__(self, flags_NA: Bools, levels_ND: Integers, num_levels: int) -> None:
        self._occurs_A = np.asarray(flags_NA.any(axis=0))
        self._chosen: Candidates = best_candidates(
            flags_NA[:, self._occurs_A], levels_ND, num_levels
        )[0]

    def predict(self, levels_ND: Integers) -> Bools:
        """What the matches say of the attributes, (N, A)."""
        predicted_NA = np.zeros((len(levels_ND), len(self._occurs_A)), dtype=np.bool_)
        predicted_NA[:, self._occurs_A] = self._chosen.hold(levels_ND)
        return predicted_NA


def matched_predictions(
    attributes_NA: Attributes,
    levels_ND: Integers,
    *,
    num_levels: int,
    selection: Selection | None = None,
) -> Bools:
    """What the matches of Eq. 3 say of every sample.

    Each attribute's entry of b(v) is chosen by F1 on `selection` (on this split without one), and
    read on this split. The F1 of a column is that of `Fidelity.matches.heldout_f1_A`.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels, selection
        As in `fidelity`.

    Returns
    -------
    numpy.ndarray
        (N, A) bool. An attribute that never occurs where the choice is made is predicted never.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`.

    Notes
    -----
    Source: Eq. 3 and section 5, "Quantization and Binarization".

    Examples
    --------
    >>> attributes_NA = np.array([[1], [1], [0]])
    >>> matched_predictions(attributes_NA, np.array([[2], [2], [1]]), num_levels=3)[:, 0]
    array([ True,  True, False])
    """
    _, chosen_flags_NA, chosen_levels_ND = checked_pair(
        attributes_NA, levels_ND, num_levels, selection
    )
    return Matched(chosen_flags_NA, chosen_levels_ND, num_levels).predict(levels_ND)
