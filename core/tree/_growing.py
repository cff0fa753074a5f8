"""T over a growing S': the tree of all rows so far, at the price of the new ones.

Shape letters: N rows, D features, K classes.
"""

import numpy.typing as npt

from core.errors import DataError
from core.tree._finish import to_tree
from core.tree._gain import Criterion
from core.tree._samples import MAX_SAMPLES, as_samples
from core.tree._settings import Settings
from core.tree._tree import DecisionTree
from core.tree.compiled import Grower


class GrowingTree:
    """The tree of `fit_tree` over rows that arrive a few at a time (lines 7 and 11 of Alg. 1).

    After any number of calls of `add`, `tree()` equals `fit_tree` on all rows so far, bit for bit,
    whatever the sizes of the calls and whether `tree()` was called in between.

    Parameters
    ----------
    num_features, num_classes
        D and K.
    num_levels, max_depth, criterion, min_gain
        As in `fit_tree`.

    Examples
    --------
    >>> growing = GrowingTree(num_features=1, num_classes=2, num_levels=4, max_depth=1)
    >>> growing.add(np.array([[0]]), np.array([[1.0, 0.0]]))
    >>> growing.add(np.array([[3]]), np.array([[0.0, 1.0]]))
    >>> print(to_text(growing.tree()))
    if feature 0 <= 0:
        class 0: 1.000 (1 sample)
    else:
        class 1: 1.000 (1 sample)
    """

    def __init__(
        self,
        *,
        num_features: int,
        num_classes: int,
        num_levels: int,
        max_depth: int,
        criterion: Criterion | str = Criterion.INFORMATION_GAIN,
        min_gain: float = 0.0,
    ) -> None:
        self._settings = Settings.of(
            num_levels=num_levels, max_depth=max_depth, criterion=criterion, min_gain=min_gain
        )
        for name, value in (("num_features", num_features), ("num_classes", num_classes)):
            if value < 1:
                raise DataError(f"`{name}` must be at least 1, but got {value}.")
        self._num_features = num_features
        self._num_classes = num_classes
        self._grower = Grower(
            self._settings, num_features=num_features, num_classes=num_classes, grows_on=True
        )

    def __len__(self) -> int:
        """Rows so far."""
        return self._grower.num_rows

    def clear(self) -> None:
        """Forget all rows (line 5 of Alg. 1), and keep the room that they took."""
        self._grower.clear()

    def add(self, levels_ND: npt.ArrayLike, labels_NK: npt.ArrayLike) -> None:
        """Append rows; the work of growing is put off until `tree()`.

        Raises
        ------
        DataError
            As `fit_tree` does, and for widths other than `num_features` and `num_classes`.
        """
        samples = as_samples(levels_ND, labels_NK, self._settings)
        width = (samples.levels_ND.shape[1], samples.units_NK.shape[1])
        if width != (self._num_features, self._num_classes):
            raise DataError(
                f"The tree grows on {self._num_features} features and {self._num_classes} classes, "
                f"but the rows have {width[0]} and {width[1]}: give it rows of that width."
            )
        if len(self) + len(samples.levels_ND) > MAX_SAMPLES:
            raise DataError(
                f"Sums are exact for up to {MAX_SAMPLES} samples, but there would be "
                f"{len(self) + len(samples.levels_ND)}: `clear()` it first."
            )
        self._grower.take(samples)

    def tree(self) -> DecisionTree:
        """Return the tree of all rows so far.

        Raises
        ------
        DataError
            If there is no row yet.
        """
        if not len(self):
            raise DataError("A tree needs at least one sample, but none was added yet.")
        return to_tree(self._grower.nodes(), self._settings, num_features=self._num_features)
