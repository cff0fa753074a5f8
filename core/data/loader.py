"""Batches of a split, in an order that depends on seed and epoch alone.

Shape letters: B samples of a batch, C channels, H height, W width.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from core.config import Partition
from core.data.images import Rows
from core.data.types import Split
from core.errors import ConfigError


class Batch(NamedTuple):
    """This worker's share of one global batch."""

    images_BCHW: Tensor
    labels_B: Tensor
    global_size: int
    """Samples of the global batch, over all workers."""

    rows_B: Tensor
    """Which rows of the split they are, int64."""


class BatchSampler(Protocol):
    """Which samples make up each batch, for a method that needs more than a shuffle."""

    @property
    def num_batches(self) -> int:
        """Of every epoch."""

    @property
    def smallest_batch(self) -> int:
        """Samples that each batch has at least."""

    def epoch(self, epoch: int) -> list[Rows]:
        """Rows of each batch of an epoch, counted from 0: a function of the epoch alone."""


class BatchStream:
    """Batches(S) of Alg. 1, line 2, shuffled and cut over the workers.

    Every worker draws the same permutation and takes its contiguous part of each global batch, so
    that W workers see together what one worker would see.

    Parameters
    ----------
    split
        The samples.
    batch_size
        s, samples of a global batch. The last batch of an epoch may be smaller, or, where a single
        sample would be left for it, larger by that one: BatchNorm needs two.
    seed
        Seed of the permutations.
    partition
        "epoch" for a permutation of its own in each epoch, "once" for that of the first in all.
    rank, world_size
        Which of how many workers this is.
    sampler
        What cuts the batches in the place of a permutation; None for the permutation.

    Raises
    ------
    ConfigError
        If some batch has fewer samples than there are workers.
    """

    def __init__(
        self,
        split: Split,
        *,
        batch_size: int,
        seed: int,
        partition: Partition = "epoch",
        rank: int = 0,
        world_size: int = 1,
        sampler: BatchSampler | None = None,
    ) -> None:
        self.num_samples = len(split)
        if sampler is None:
            self.num_batches = -(-self.num_samples // batch_size)
            if self.num_batches > 1 and self.num_samples % batch_size == 1:
                self.num_batches -= 1
            smallest = min(batch_size, self.num_samples - (self.num_batches - 1) * batch_size)
        else:
            self.num_batches, smallest = sampler.num_batches, sampler.smallest_batch
        if smallest < world_size:
            raise ConfigError(
                f"`batch_size` {batch_size} leaves a batch of {smallest} of {self.num_samples} "
                f"samples for {world_size} workers: choose another batch size or fewer workers."
            )
        self._images = split.images
        self._labels = torch.from_numpy(split.labels_N)
        self._batch_size = batch_size
        self._seed = seed
        self._partition = partition
        self._rank = rank
        self._world_size = world_size
        self._sampler = sampler

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch, counted from 0, from batch `start` on."""
        wholes = self._wholes(epoch if self._partition == "epoch" else 0)[start:]
        mine = [np.array_split(whole, self._world_size)[self._rank] for whole in wholes]
        images = self._images.batches(mine, seed=(self._seed, epoch))
        for whole, rows, images_BCHW in zip(wholes, mine, images, strict=True):
            rows_B = torch.from_numpy(rows)
            yield Batch(images_BCHW, self._labels[rows_B], len(whole), rows_B)

    def _wholes(self, drawn: int) -> list[Rows]:
        """Rows of each global batch."""
        if self._sampler is not None:
            return self._sampler.epoch(drawn)
        order = np.random.default_rng([self._seed, drawn]).permutation(self.num_samples)
        return np.split(order, np.arange(1, self.num_batches) * self._batch_size)
