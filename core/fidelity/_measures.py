"""The measures beside Eq. 3 in one call.

Shape letters: N samples, D features, A attributes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from core.fidelity._chance_corrected import chance_corrected_f1
from core.fidelity._class_independence import class_independence
from core.fidelity._coalition import coalitions
from core.fidelity._heldout import Selection, checked_pair, matched_predictions
from core.fidelity._inputs import Attributes, Integers, check_labels, check_num_levels
from core.fidelity._matthews import matthews_correlation
from core.fidelity._one_to_one import distinct_features, one_to_one
from core.fidelity._sldd_alignment import sldd_alignment
from core.fidelity._switch import Counterfactuals, counterfactual_switch
from core.fidelity._within_class import within_class_gain


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What Eq. 3 does not say of the same levels. What does not exist for the data is None."""

    one_to_one: float | None = None
    """Mean F1 when each feature answers for one attribute at most; beside `Fidelity.heldout`."""

    distinct_features: int | None = None
    """Different features among Eq. 3's matches, those of `Fidelity.score`."""

    coalition_f1: float | None = None
    """Mean F1 of the OR of up to three levels."""

    coalition_size: float | None = None
    """Mean number of levels in these ORs."""

    chance_corrected_f1: float | None = None
    """Mean of (F1 - floor) / (1 - floor); None if no attribute varies."""

    matthews_correlation: float | None = None
    """Mean of Matthews' correlation of the matches; None if no attribute varies."""

    class_independence: float | None = None
    """1 - mean largest share of a feature's activation in one class; None if no feature varies."""

    within_class_gain: float | None = None
    """F1 inside a class, less the class's floor; None if no attribute varies inside a class."""

    counterfactual_switch: float | None = None
    """Share of changed attributes that matches follow, less that of others' flips; None without
    pairs."""

    sldd_alignment: float | None = None
    """How much more features say where their best attribute is present, on train; None without a
    training split."""

    def scalars(self) -> Mapping[str, float]:
        """All numbers by name; those that do not exist are left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: float(value) for name, value in values.items() if value is not None}


def measures(
    attributes_NA: Attributes,
    levels_ND: Integers,
    labels_N: Integers,
    *,
    num_levels: int,
    selection: Selection | None = None,
    train: Selection | None = None,
    counterfactuals: Counterfactuals | None = None,
) -> Measures:
    """Compute all measures that the data has.

    Parameters
    ----------
    attributes_NA
        f(x), shape (samples, attributes): bool, or integers 0 and 1. With no columns, for data
        without attributes, all but `class_independence` is None.
    levels_ND
        q(F(x)), shape (samples, features): integers 0 .. num_levels - 1.
    labels_N
        Class of each sample, counted from 0.
    num_levels
        2^r, at least 2.
    selection
        Attributes and levels of another split of the same data, minival. What is chosen is then
        chosen there and scored here: matches, assignment, coalitions, as in `fidelity`'s `heldout`.
        Without it they are chosen where they are scored. `distinct_features`,
        `class_independence` and `sldd_alignment` do not depend on it.
    train
        Attributes and levels of the training split, for `sldd_alignment` alone.
    counterfactuals
        Pairs for `counterfactual_switch`, whose matches are chosen on `selection` too.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`; if classes are no integers from 0, or pairs do not suit.

    Notes
    -----
    Each measure's own function says what it is and where it comes from.

    Examples
    --------
    >>> attributes_NA = np.array([[1, 0], [1, 0], [0, 0], [0, 1]])
    >>> levels_ND = np.array([[2, 0], [2, 1], [0, 0], [1, 1]])
    >>> found = measures(attributes_NA, levels_ND, np.array([0, 0, 1, 1]), num_levels=3)
    >>> found.distinct_features, found.matthews_correlation
    (1, 1.0)
    """
    check_num_levels(num_levels)
    check_labels("this split", labels_N, len(levels_ND))
    independence = class_independence(levels_ND, labels_N)
    if attributes_NA.ndim == 2 and not attributes_NA.shape[1]:
        return Measures(class_independence=independence)

    flags_NA, chosen_flags_NA, chosen_levels_ND = checked_pair(
        attributes_NA, levels_ND, num_levels, selection
    )
    chosen = (chosen_flags_NA, chosen_levels_ND)
    predicted_NA = matched_predictions(flags_NA, levels_ND, num_levels=num_levels, selection=chosen)
    coalition = coalitions(flags_NA, levels_ND, num_levels=num_levels, selection=chosen)
    return Measures(
        one_to_one=one_to_one(flags_NA, levels_ND, num_levels=num_levels, selection=chosen).score,
        distinct_features=distinct_features(flags_NA, levels_ND, num_levels=num_levels),
        coalition_f1=coalition.score,
        coalition_size=float(coalition.size_A[flags_NA.any(axis=0)].mean()),
        chance_corrected_f1=chance_corrected_f1(flags_NA, predicted_NA),
        matthews_correlation=matthews_correlation(flags_NA, predicted_NA),
        class_independence=independence,
        within_class_gain=within_class_gain(flags_NA, predicted_NA, labels_N),
        counterfactual_switch=(
            None
            if counterfactuals is None
            else counterfactual_switch(counterfactuals, *chosen, num_levels=num_levels)
        ),
        sldd_alignment=None if train is None else sldd_alignment(*train, num_levels=num_levels),
    )
