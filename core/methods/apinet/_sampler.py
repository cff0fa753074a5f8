"""Batches in which most images have a partner of their class, and all one of another.

Shape letters: N samples, K classes, B samples of a batch.
"""

import numpy as np
import numpy.typing as npt

from core.data.images import Rows
from core.errors import DataError


class BalancedBatches:
    """So many images of so many classes a batch (Zhuang et al., 2020, section "Experiments").

    A batch draws its classes without replacement. Each class goes through its images in an order of
    its own and is shuffled again when too few remain for a batch, so up to `samples` - 1 of them
    are left out of a round, as in the public code. Unlike there, every epoch begins anew: its
    batches depend on seed and epoch alone, and a run that is resumed has them again.

    A class with fewer images gives all it has; an image is never twice in a batch.

    Parameters
    ----------
    labels_N
        Class of each sample, int64.
    classes
        Classes a batch, or all that there are.
    samples
        Images of each.
    seed
        Of the run.

    Raises
    ------
    DataError
        If fewer than two classes have images, or none has two.

    Examples
    --------
    >>> labels = np.repeat([0, 1, 2], 4)
    >>> batches = BalancedBatches(labels, classes=2, samples=3, seed=0)
    >>> [len(rows) for rows in batches.epoch(0)]
    [6, 6]
    """

    def __init__(
        self, labels_N: npt.NDArray[np.int64], *, classes: int, samples: int, seed: int
    ) -> None:
        present = np.unique(labels_N)
        self._rows = [np.flatnonzero(labels_N == label) for label in present]
        sizes = sorted(len(rows) for rows in self._rows)
        if len(sizes) < 2 or sizes[-1] < 2:
            raise DataError(
                "The method 'apinet' must have training images of two classes or more, two of one "
                f"class among them, to make pairs, but {len(sizes)} classes have at most "
                f"{sizes[-1] if sizes else 0} images each: use other data or another method."
            )
        self._classes = min(classes, len(sizes))
        self._samples = samples
        self._seed = seed
        self._num_samples = len(labels_N)
        self._smallest = sum(min(samples, size) for size in sizes[: self._classes])

    @property
    def num_batches(self) -> int:
        """Full batches that the training set has images for; one at least."""
        return max(1, self._num_samples // (self._classes * self._samples))

    @property
    def smallest_batch(self) -> int:
        """Samples of a batch of the smallest classes."""
        return self._smallest

    def epoch(self, epoch: int) -> list[Rows]:
        """Rows of each batch, those of a class together."""
        rng = np.random.default_rng([self._seed, epoch])
        rounds = [_Round(rows, rng) for rows in self._rows]
        return [
            np.concatenate(
                [
                    rounds[index].take(self._samples)
                    for index in rng.permutation(len(rounds))[: self._classes]
                ]
            )
            for _ in range(self.num_batches)
        ]


class _Round:
    """A class's way through its images."""

    def __init__(self, rows: Rows, rng: np.random.Generator) -> None:
        self._rng = rng
        self._order = rng.permutation(rows)
        self._next = 0

    def take(self, count: int) -> Rows:
        count = min(count, len(self._order))
        if self._next + count > len(self._order):
            self._order = self._rng.permutation(self._order)
            self._next = 0
        self._next += count
        return self._order[self._next - count : self._next]
