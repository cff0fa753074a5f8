"""Images of a packed dataset as an image source."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from core.data.decoding import CHANNELS, DecodePool, Request
from core.data.images import Identity, Rows


class PackedImages:
    """Some rows of a packed dataset, decoded when they are asked for.

    Parameters
    ----------
    pool
        Decodes them; splits of one dataset share it.
    rows
        Rows of the packed table, in this source's order.
    fingerprint
        The packed dataset's.
    """

    def __init__(self, pool: DecodePool, rows: Rows, *, fingerprint: str) -> None:
        self._pool = pool
        self._rows = rows
        self._fingerprint = fingerprint

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        size = self._pool.decoder.crop_size
        return CHANNELS, size, size

    def identity(self) -> Identity:
        options = self._pool.decoder.options
        return Identity(f"packed {self._fingerprint} {options}", self._rows.tobytes())

    def batches(
        self, rows: Sequence[Rows], *, seed: tuple[int, ...] | None = None
    ) -> Iterator[Tensor]:
        return self._pool.batches([Request(self._rows[rows_B], seed) for rows_B in rows])
