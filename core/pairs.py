"""S' of Alg. 1: the pairs of levels and network probabilities of the epoch so far.

Shape letters: B rows of a batch, N rows so far, D features, K classes.
"""

import numpy as np
import numpy.typing as npt


class PairSet:
    """A growing table of pairs (F_q(x), G(F_q(x))), kept as they were computed (lines 4, 5, 10).

    Parameters
    ----------
    capacity
        Most rows it will hold: the size of the training set.
    feature_dim, num_classes
        Widths of the two columns.
    """

    def __init__(self, capacity: int, *, feature_dim: int, num_classes: int) -> None:
        self._levels = np.empty((capacity, feature_dim), dtype=np.uint8)
        self._probabilities = np.empty((capacity, num_classes), dtype=np.float32)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def levels_ND(self) -> npt.NDArray[np.uint8]:
        return self._levels[: self._size]

    @property
    def probabilities_NK(self) -> npt.NDArray[np.float32]:
        return self._probabilities[: self._size]

    def clear(self) -> None:
        self._size = 0

    def add(
        self, levels_BD: npt.NDArray[np.uint8], probabilities_BK: npt.NDArray[np.float32]
    ) -> None:
        """Append the pairs of a batch (line 10)."""
        end = self._size + len(levels_BD)
        if end > len(self._levels):
            raise ValueError(
                f"S' was made for {len(self._levels)} pairs, but would hold {end}: `clear()` it at "
                "the start of each epoch."
            )
        self._levels[self._size : end] = levels_BD
        self._probabilities[self._size : end] = probabilities_BK
        self._size = end
