"""What predictors reach that are shown the attributes: the supervised ceiling.

Shape letters: N samples, D features, A attributes.
"""

from dataclasses import dataclass

import numpy as np

from core.fidelity._candidates import f1_of_predictions
from core.fidelity._counts import Integers
from core.fidelity._heldout import Selection, checked_pair
from core.fidelity._inputs import Attributes
from core.fidelity._probe import Probes
from core.fidelity._stump import Stumps


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """Mean F1 of predictors that were shown the attributes of the training split, on test."""

    probe_f1: float
    """A logistic regression an attribute, on all features."""

    stump_f1: float
    """The best threshold of a single feature."""


def supervised_ceiling(
    attributes_NA: Attributes,
    levels_ND: Integers,
    *,
    num_levels: int,
    train: Selection,
) -> Ceiling:
    """F1 of predictors that were fitted to the attributes, on the same levels.

    Everything is chosen on `train`: the weights of the logistic regressions and the logit at which
    each is cut, and the stumps' features, thresholds and directions, by F1. This split is only
    scored.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels
        As in `fidelity`.
    train
        Attributes and levels of the training split.

    Returns
    -------
    Ceiling
        Means over the attributes that occur in this split. One that never occurs in `train` is
        predicted never, and one that always does always.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`.

    Notes
    -----
    Source: the supervised probes of Klotz et al. (arXiv 2606.24716).

    Examples
    --------
    >>> attributes_NA, levels_ND = np.array([[1], [1], [0], [0]]), np.array([[3], [2], [1], [0]])
    >>> supervised_ceiling(
    ...     attributes_NA, levels_ND, num_levels=4, train=(attributes_NA, levels_ND)
    ... )
    Ceiling(probe_f1=1.0, stump_f1=1.0)
    """
    flags_NA, train_flags_NA, train_levels_ND = checked_pair(
        attributes_NA, levels_ND, num_levels, train, name="the training split"
    )
    occurs_A = np.asarray(train_flags_NA.any(axis=0))
    varies_A = occurs_A & ~train_flags_NA.all(axis=0)

    # Never where train never shows it, always where it always does.
    probed_NA = np.repeat(occurs_A[None], len(flags_NA), axis=0)
    if varies_A.any():
        probes = Probes(train_flags_NA[:, varies_A], train_levels_ND)
        probed_NA[:, varies_A] = probes.predict(levels_ND)
    cut_NA = np.zeros_like(flags_NA)
    cut_NA[:, occurs_A] = Stumps(train_flags_NA[:, occurs_A], train_levels_ND, num_levels).predict(
        levels_ND
    )
    scored_A = np.asarray(flags_NA.any(axis=0))
    probe_f1, stump_f1 = (
        float(f1_of_predictions(flags_NA[:, scored_A], said_NA[:, scored_A]).mean())
        for said_NA in (probed_NA, cut_NA)
    )
    return Ceiling(probe_f1=probe_f1, stump_f1=stump_f1)
