"""Fidelity to attributes that were dealt out anew: what is found by chance.

Shape letters: N samples, D features, A attributes.
"""

import numpy as np

from core.fidelity._counts import Bools, Integers
from core.fidelity._fidelity import fidelity
from core.fidelity._heldout import Selection, checked_pair
from core.fidelity._inputs import Attributes, check_labels
from core.fidelity._result import Fidelity

LabelledSelection = tuple[Attributes, Integers, Integers]
"""Attributes, levels and classes of the split that choices are made on."""


def shuffled(
    attributes_NA: Attributes,
    levels_ND: Integers,
    *,
    num_levels: int,
    selection: Selection | None = None,
    seed: int = 0,
) -> Fidelity:
    """Fidelity to attributes that were dealt out to the images anew: chance.

    An image's attributes stay together, so that prevalences and what goes with what are as they
    were. `score` is what a maximum over so many candidates finds by chance; `heldout` is near the
    floor. Each split is permuted by itself.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels, selection
        As in `fidelity`.
    seed
        Of the permutations.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`.

    Examples
    --------
    >>> attributes_NA = np.arange(1000)[:, None] % 10 == 0
    >>> levels_ND = attributes_NA.astype(int)
    >>> fidelity(attributes_NA, levels_ND, num_levels=3).score
    1.0
    >>> round(shuffled(attributes_NA, levels_ND, num_levels=3).score, 2)
    0.18
    """
    flags_NA, chosen_flags_NA, chosen_levels_ND = checked_pair(
        attributes_NA, levels_ND, num_levels, selection
    )
    here, there = (np.zeros(len(flags), dtype=np.int64) for flags in (flags_NA, chosen_flags_NA))
    return fidelity(
        _permuted(flags_NA, here, [seed, 0]),
        levels_ND,
        num_levels=num_levels,
        selection=(
            None
            if selection is None
            else (_permuted(chosen_flags_NA, there, [seed, 1]), chosen_levels_ND)
        ),
    )


def shuffled_within_classes(
    attributes_NA: Attributes,
    levels_ND: Integers,
    labels_N: Integers,
    *,
    num_levels: int,
    selection: LabelledSelection | None = None,
    seed: int = 0,
) -> Fidelity:
    """Fidelity to attributes that were dealt out anew among the images of each class.

    What the class tells of an attribute stays, what an image tells beyond it goes: the fidelity
    that the true attributes have above this was recovered beyond the class. Attributes that belong
    to classes are not changed at all.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels
        As in `fidelity`.
    labels_N
        Class of each sample, counted from 0.
    selection
        Attributes, levels and classes of another split, as in `fidelity`.
    seed
        Of the permutations.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`; if classes are no integers from 0.

    Examples
    --------
    >>> attributes_NA = np.array([[1], [1], [0], [0]])
    >>> levels_ND, labels_N = np.array([[1], [1], [0], [0]]), np.array([0, 0, 1, 1])
    >>> shuffled_within_classes(attributes_NA, levels_ND, labels_N, num_levels=2).score
    1.0
    """
    unlabelled = None if selection is None else selection[:2]
    flags_NA, chosen_flags_NA, chosen_levels_ND = checked_pair(
        attributes_NA, levels_ND, num_levels, unlabelled
    )
    check_labels("this split", labels_N, len(flags_NA))
    permuted_selection = None
    if selection is not None:
        check_labels("the selection split", selection[2], len(chosen_flags_NA))
        permuted_selection = (
            _permuted(chosen_flags_NA, selection[2], [seed, 1]),
            chosen_levels_ND,
        )
    return fidelity(
        _permuted(flags_NA, labels_N, [seed, 0]),
        levels_ND,
        num_levels=num_levels,
        selection=permuted_selection,
    )


def _permuted(flags_NA: Bools, labels_N: Integers, seed: list[int]) -> Bools:
    """The rows of `flags_NA`, permuted within each class."""
    rng = np.random.default_rng(seed)
    places_N = np.argsort(labels_N, kind="stable")
    # Sorted by class as well, but in a random order within it.
    sources_N = np.lexsort((rng.random(len(labels_N)), labels_N))
    permuted_NA = np.empty_like(flags_NA)
    permuted_NA[places_N] = flags_NA[sources_N]
    return permuted_NA
