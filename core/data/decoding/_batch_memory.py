"""Memory of batches, used again once a batch is gone.

New memory for every batch is slow where it is shared between processes: the kernel clears each of
its pages, both processes map them one by one, and a file descriptor travels over a socket.

Shape letters: B samples of a batch, C channels, H height, W width.
"""

import math
import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Shape = tuple[int, int, int, int]
"""(B, C, H, W)."""


class Place(NamedTuple):
    """Where a batch is written."""

    slot: int | None
    """None: in memory that serves this batch alone."""

    is_new: bool
    """Whether the memory has to be made."""


class Lender:
    """Says where batches are written. Lives in the process that takes them.

    Parameters
    ----------
    max_slots
        Batches whose memory is kept. Who holds more at a time gets them in memory of their own,
        which goes with them.
    """

    def __init__(self, max_slots: int) -> None:
        self._max_slots = max_slots
        self._sizes: list[int] = []
        self._free: list[int] = []
        self._memory: dict[int, npt.NDArray[np.uint8]] = {}

    def place(self, shape: Shape) -> Place:
        """Choose where the next batch is to be written."""
        size = math.prod(shape)
        # The one that was freed last, whose pages the processor may still have.
        for slot in reversed(self._free):
            if self._sizes[slot] >= size:
                self._free.remove(slot)
                return Place(slot, is_new=False)
        if self._free:
            slot = self._free.pop()
            self._sizes[slot] = size
        elif len(self._sizes) < self._max_slots:
            slot = len(self._sizes)
            self._sizes.append(size)
        else:
            return Place(None, is_new=True)
        return Place(slot, is_new=True)

    def lend(self, place: Place, shape: Shape, new_memory: Tensor | None) -> Tensor:
        """Return what was written; its place is free when nothing refers to it any more.

        `new_memory` is what `Shelf.fill` returned.
        """
        if place.slot is None:
            assert new_memory is not None
            return new_memory.view(shape)
        if new_memory is not None:
            self._memory[place.slot] = new_memory.numpy()
        lent = self._memory[place.slot][: math.prod(shape)].reshape(shape)
        # The tensor, and every view of it, keeps this one array, and nothing else does.
        weakref.finalize(lent, self._free.append, place.slot).atexit = False
        return torch.from_numpy(lent)


class Shelf:
    """Writes batches, and keeps their memory. Lives in the process that decodes.

    Parameters
    ----------
    new_memory
        Makes so many bytes.
    """

    def __init__(self, new_memory: Callable[[int], Tensor]) -> None:
        self._new_memory = new_memory
        self._memory: dict[int, Tensor] = {}

    def fill(self, place: Place, shape: Shape, write: Callable[[Tensor], None]) -> Tensor | None:
        """Let a batch be written in its place, and return the memory where it is new."""
        size = math.prod(shape)
        if place.slot is None:
            memory = self._new_memory(size)
        elif place.is_new:
            memory = self._memory[place.slot] = self._new_memory(size)
        else:
            memory = self._memory[place.slot]
        write(memory[:size].view(shape))
        return memory if place.is_new else None


def new_bytes(size: int) -> Tensor:
    return torch.empty(size, dtype=torch.uint8)


def new_shared_bytes(size: int) -> Tensor:
    """Bytes that stay shared when they are sent to another process."""
    if size == 0:
        return new_bytes(0)
    storage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]
    return new_bytes(0).set_(storage)
