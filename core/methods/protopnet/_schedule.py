"""The phases of a run."""

from dataclasses import dataclass
from typing import Self

from core.config.options import ProtoPNetOptions

_BUDGET = 40
"""Epochs that the phases below were made for; a shorter run has its share of each."""
_WARM = 10
_PUSH = 10
_DECAY = 15


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Warm-up with a fixed trunk, then all together, with a push now and then and at the end.

    Parameters
    ----------
    num_epochs
        Of the run.
    warm_epochs, push_every, decay_every
        As in `ProtoPNetOptions`.

    Examples
    --------
    >>> schedule = Schedule.of(ProtoPNetOptions(), num_epochs=40, has_first_weights=True)
    >>> [epoch + 1 for epoch in range(40) if schedule.ends_with_push(epoch)]
    [20, 30, 40]
    >>> [schedule.decay(epoch) for epoch in (0, 24, 25, 39)]
    [1.0, 1.0, 0.1, 0.1]
    """

    num_epochs: int
    warm_epochs: int
    push_every: int
    decay_every: int

    @classmethod
    def of(cls, options: ProtoPNetOptions, *, num_epochs: int, has_first_weights: bool) -> Self:
        """The phases of a run, in whole epochs, of which a push takes one at least.

        A trunk without first weights has no warm-up of its own accord.
        """

        def share(given: int | None, passes: int, least: int) -> int:
            if given is not None:
                return given
            return max(least, passes * min(num_epochs, _BUDGET) // _BUDGET)

        return cls(
            num_epochs=num_epochs,
            warm_epochs=share(options.warm_epochs, _WARM if has_first_weights else 0, 0),
            push_every=share(options.push_every, _PUSH, 1),
            decay_every=share(options.decay_every, _DECAY, 1),
        )

    def is_warm(self, epoch: int) -> bool:
        """Whether the trunk is fixed in an epoch, counted from 0."""
        return epoch < self.warm_epochs

    def ends_with_push(self, epoch: int) -> bool:
        """Whether prototypes become patches, and the last layer is fitted, after an epoch."""
        since_warm = epoch + 1 - self.warm_epochs
        is_due = since_warm > 0 and since_warm % self.push_every == 0
        return is_due or epoch + 1 == self.num_epochs

    def decay(self, epoch: int) -> float:
        """What step sizes are multiplied by in an epoch."""
        return float(0.1 ** (max(0, epoch - self.warm_epochs) // self.decay_every))
