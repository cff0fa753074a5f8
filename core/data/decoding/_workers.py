"""Decoding in torch DataLoader worker processes that outlive an epoch."""

import itertools
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from core.data.decoding._batch_memory import Lender, Place, Shelf, new_bytes, new_shared_bytes
from core.data.decoding._decoder import Decoder, Request
from core.errors import DataError

_PREFETCH = 2
"""Requests that a worker has at a time: one in work, one that waits."""


class DecodePool:
    """Yields what a decoder makes of requests, in their order.

    Parameters
    ----------
    decoder
        Pickled to the workers.
    num_workers
        Processes; 0 decodes in this one. They start with the first request and end with the pool.
        Iterations that overlap have workers of their own.
    """

    def __init__(self, decoder: Decoder, *, num_workers: int) -> None:
        self.decoder = decoder
        self.num_workers = num_workers
        self._idle: list[list[_Worker]] = []

    def __getstate__(self) -> dict[str, Any]:
        """Leave the processes behind."""
        return {**self.__dict__, "_idle": []}

    def batches(self, requests: Sequence[Request]) -> Iterator[Tensor]:
        """Yield a batch for each request.

        Raises
        ------
        DataError
            If an image is damaged, with the same message whichever process noticed it.
        """
        if not requests:
            return
        if self.num_workers == 0:
            yield from self._decode_here(requests)
            return
        workers = self._idle.pop() if self._idle else self._new_workers()
        for index, worker in enumerate(workers):
            worker.start(requests[index :: len(workers)])
        turns = itertools.cycle(workers)
        for worker in itertools.islice(turns, len(requests) - 1):
            yield worker.take()
        last = next(turns).take()
        # Before the last batch is out: whoever takes it may not come back for the end.
        self._idle.append(workers)
        yield last

    def _decode_here(self, requests: Sequence[Request]) -> Iterator[Tensor]:
        # One batch may still be in use while the next is written.
        lender, shelf = Lender(2), Shelf(new_bytes)
        for request in requests:
            shape = self.decoder.shape_of(request)
            place = lender.place(shape)
            memory = shelf.fill(place, shape, partial(self.decoder.write, request))
            yield lender.lend(place, shape, memory)

    def _new_workers(self) -> "list[_Worker]":
        return [_Worker(self.decoder) for _ in range(self.num_workers)]


class _Errand(NamedTuple):
    """What a worker is sent."""

    request: Request
    place: Place


class _Worker:
    """A process that takes one list of requests after another.

    It is a DataLoader of its own: so it is known which one serves a request, and its memory can be
    used again.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._errands = _Errands(decoder)
        loader: DataLoader[Tensor | str | None] = DataLoader(
            _Decoded(decoder),
            batch_size=None,
            sampler=self._errands,
            num_workers=1,
            prefetch_factor=_PREFETCH,
            collate_fn=_as_it_is,
            persistent_workers=True,
            # A loader without its own generator would draw from, and move, the global one.
            generator=torch.Generator(),
        )
        # Nothing else holds the loader, and this process ends when the list is emptied. The garbage
        # collector would take the loader's queues apart first, and then wait seconds for an end
        # that the process was never told of.
        self._held: list[Any] = [loader]
        weakref.finalize(self, self._held.clear)

    def start(self, requests: Sequence[Request]) -> None:
        """Begin; each request must be taken before the next start."""
        self._errands.requests = requests
        self._held[1:] = [iter(self._held[0])]

    def take(self) -> Tensor:
        """Return the batch of the earliest request that was not taken yet."""
        result = next(self._held[1])
        if isinstance(result, str):
            raise DataError(result)
        return self._errands.batch_of_first(result)


class _Errands(Sampler[_Errand]):
    """What a loader sends to its worker, made as it is sent.

    It knows nothing of its worker, so that the worker is gone as soon as nobody uses it.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.requests: Sequence[Request] = ()
        """Exchanged between two iterations."""

        self._decoder = decoder
        # Beside those at the worker, one is being taken and one may still be in use.
        self._lender = Lender(_PREFETCH + 2)
        self._sent: deque[_Errand] = deque()

    def __iter__(self) -> Iterator[_Errand]:
        for request in self.requests:
            errand = _Errand(request, self._lender.place(self._decoder.shape_of(request)))
            self._sent.append(errand)
            yield errand

    def __len__(self) -> int:
        return len(self.requests)

    def batch_of_first(self, new_memory: Tensor | None) -> Tensor:
        """Return the batch of the earliest errand, which the worker has done."""
        request, place = self._sent.popleft()
        return self._lender.lend(place, self._decoder.shape_of(request), new_memory)


class _Decoded(Dataset[Tensor | str | None]):
    """Runs in a worker."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._shelf = Shelf(new_shared_bytes)

    def __getitem__(self, errand: _Errand) -> Tensor | str | None:
        request, place = errand
        try:
            shape = self._decoder.shape_of(request)
            return self._shelf.fill(place, shape, partial(self._decoder.write, request))
        except DataError as error:
            # Raised there, it would reach the user wrapped in a worker's traceback.
            return str(error)


def _as_it_is(batch: Any) -> Any:
    return batch
