"""How far an epoch has come: what a checkpoint inside it holds."""

from collections.abc import Mapping
from typing import Any, Self

from core.training._method import Method, Timer


class EpochPart:
    """The batches of an epoch that are behind, with what was summed over them.

    Examples
    --------
    >>> part = EpochPart()
    >>> part.add({"label": 2.0}, num_samples=3)
    >>> part.add({"label": 1.0}, num_samples=1)
    >>> part.num_batches, part.means()
    (2, {'label': 1.75})
    """

    def __init__(self) -> None:
        self.num_batches = 0
        self.timer = Timer()
        self._sums: dict[str, float] = {}
        self._num_samples = 0
        self._of_method: Mapping[str, Any] = {}

    def add(self, losses: Mapping[str, float], num_samples: int) -> None:
        """Count a batch with its mean losses."""
        for name, mean in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + mean * num_samples
        self._num_samples += num_samples
        self.num_batches += 1

    def means(self) -> dict[str, float]:
        """Losses so far, by name, means over the samples."""
        return {name: total / self._num_samples for name, total in self._sums.items()}

    def start(self, method: Method, epoch: int) -> None:
        """Bring the method to where the part ends."""
        method.start_epoch(epoch)
        if self.num_batches:
            method.load_epoch_state_dict(self._of_method)
            self._of_method = {}

    def state_dict(self, method: Method) -> dict[str, Any]:
        """Plain values and tensors, with what the method keeps of the epoch."""
        return {
            "num_batches": self.num_batches,
            "seconds": dict(self.timer.seconds),
            "sums": dict(self._sums),
            "num_samples": self._num_samples,
            "method": method.epoch_state_dict(),
        }

    @classmethod
    def from_state_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read `state_dict()`'s form."""
        part = cls()
        part.num_batches = values["num_batches"]
        part.timer = Timer(values["seconds"])
        part._sums = dict(values["sums"])
        part._num_samples = values["num_samples"]
        part._of_method = values["method"]
        return part
