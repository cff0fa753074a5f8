"""Decoding in torch DataLoader worker processes that outlive an epoch."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from core.data._decoder import Decoder, Request
from core.errors import DataError


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
        self._idle: list[_Workers] = []

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
            yield from map(self.decoder.read, requests)
            return
        workers = self._idle.pop() if self._idle else _Workers(self.decoder, self.num_workers)
        stream = workers.start(requests)
        for _ in requests[1:]:
            yield _checked(next(stream))
        last = next(stream)
        # Before the last batch is out: whoever takes it may not come back for the end.
        self._idle.append(workers)
        yield _checked(last)


class _Workers:
    """Worker processes that take one list of requests after another."""

    def __init__(self, decoder: Decoder, num_workers: int) -> None:
        self._requests = _Requests()
        self._loader: DataLoader[Tensor | str] = DataLoader(
            _Decoded(decoder),
            batch_size=None,
            sampler=self._requests,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            persistent_workers=True,
            # A loader without its own generator would draw from, and move, the global one.
            generator=torch.Generator(),
        )

    def start(self, requests: Sequence[Request]) -> Iterator[Tensor | str]:
        self._requests.current = requests
        return iter(self._loader)


class _Requests(Sampler[Request]):
    """What the loader sends to its workers; exchanged between two iterations."""

    def __init__(self) -> None:
        self.current: Sequence[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.current)

    def __len__(self) -> int:
        return len(self.current)


class _Decoded(Dataset[Tensor | str]):
    """Runs in the workers."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def __getitem__(self, request: Request) -> Tensor | str:
        try:
            return self._decoder.read(request)
        except DataError as error:
            # Raised there, it would reach the user wrapped in a worker's traceback.
            return str(error)


def _as_it_is(batch: Any) -> Any:
    return batch


def _checked(batch: Tensor | str) -> Tensor:
    if isinstance(batch, str):
        raise DataError(batch)
    return batch
