"""What fidelity comes to where nothing was recovered, and where everything was shown.

`untrained`, the same network before training, needs the network: `core.untrained` has it.

Shape letters: N samples, D features, A attributes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from core.fidelity._ceiling import Ceiling, supervised_ceiling
from core.fidelity._class_detector import class_detector
from core.fidelity._heldout import Selection
from core.fidelity._inputs import Attributes, Integers
from core.fidelity._result import Fidelity
from core.fidelity._shuffled import LabelledSelection, shuffled, shuffled_within_classes


@dataclass(frozen=True, kw_only=True, eq=False)
class Controls:
    """Fidelities to read a network's beside."""

    shuffled: Fidelity
    """Attributes permuted over all images: chance, for as many candidates."""

    shuffled_within_classes: Fidelity
    """Attributes permuted within each class: what the class alone gives these features."""

    class_detector: Fidelity
    """One-hot classes in place of the features: a perfect classifier without attributes."""

    ceiling: Ceiling | None
    """None without a training split."""

    def scalars(self) -> Mapping[str, float]:
        """All numbers by name; those that do not exist are left out."""
        values: dict[str, float] = {}
        for name in ("shuffled", "shuffled_within_classes", "class_detector"):
            control: Fidelity = getattr(self, name)
            values[f"{name}_score"] = control.score
            if control.heldout is not None:
                values[f"{name}_heldout"] = control.heldout
        if self.ceiling is not None:
            values |= {"probe_f1": self.ceiling.probe_f1, "stump_f1": self.ceiling.stump_f1}
        return values


def controls(
    attributes_NA: Attributes,
    levels_ND: Integers,
    labels_N: Integers,
    *,
    num_levels: int,
    selection: LabelledSelection | None = None,
    train: Selection | None = None,
    seed: int = 0,
) -> Controls:
    """Compute all controls that need no network.

    Parameters
    ----------
    attributes_NA, levels_ND, num_levels
        As in `fidelity`.
    labels_N
        Class of each sample, counted from 0.
    selection
        Attributes, levels and classes of minival. Each control then has a `heldout` as well, whose
        features are chosen there and scored here.
    train
        Attributes and levels of the training split, for the ceiling.
    seed
        Of the permutations.

    Raises
    ------
    ConfigError, DataError
        As `fidelity`; if classes are no integers from 0.

    Examples
    --------
    >>> attributes_NA, levels_ND = np.array([[1], [1], [0], [0]]), np.array([[1], [1], [0], [0]])
    >>> found = controls(attributes_NA, levels_ND, np.array([0, 0, 1, 1]), num_levels=2)
    >>> found.class_detector.score, found.ceiling is None
    (1.0, True)
    """
    unlabelled = None if selection is None else selection[:2]
    classes = None if selection is None else (selection[0], selection[2])
    return Controls(
        shuffled=shuffled(
            attributes_NA, levels_ND, num_levels=num_levels, selection=unlabelled, seed=seed
        ),
        shuffled_within_classes=shuffled_within_classes(
            attributes_NA,
            levels_ND,
            labels_N,
            num_levels=num_levels,
            selection=selection,
            seed=seed,
        ),
        class_detector=class_detector(
            attributes_NA, labels_N, num_levels=num_levels, selection=classes
        ),
        ceiling=(
            None
            if train is None
            else supervised_ceiling(attributes_NA, levels_ND, num_levels=num_levels, train=train)
        ),
    )
