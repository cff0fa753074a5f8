"""What a run's operations add up to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self


class SplitSizes(NamedTuple):
    """Images of each split."""

    train: int
    minival: int
    test: int


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Epochs that cost the same. Operations of one epoch, for each image of a split."""

    num_epochs: int

    train: float
    """Steps on the training images, and passes over them at the epoch's end."""

    minival: float
    """Passes over minival at the epoch's end, beside its accuracy."""


@dataclass(frozen=True, kw_only=True)
class RunFlops:
    """Operations of a run, for each image; a multiplication and an addition are two."""

    prepare: float
    """Before the first epoch, for a training image."""

    recognize: float
    """One evaluation of an image."""

    phases: Mapping[str, Phase]
    """By `Method.phase`."""

    @property
    def num_epochs(self) -> int:
        return sum(phase.num_epochs for phase in self.phases.values())

    @property
    def train_image(self) -> float:
        """A training image's share of an epoch, the mean over the epochs."""
        total = sum(phase.num_epochs * phase.train for phase in self.phases.values())
        return total / self.num_epochs

    def total(self, sizes: SplitSizes) -> float:
        """Of all epochs and the numbers at the end, on splits of these sizes.

        An epoch is followed by the accuracies of minival and test. What stands beside a finished
        run's fidelity takes a pass over all images, and one over minival and test of the network
        before training.
        """
        evaluated = sizes.minival + sizes.test
        of_epochs = sum(
            phase.num_epochs
            * (
                phase.train * sizes.train
                + phase.minival * sizes.minival
                + self.recognize * evaluated
            )
            for phase in self.phases.values()
        )
        at_the_end = self.recognize * (sizes.train + 2 * evaluated)
        return self.prepare * sizes.train + of_epochs + at_the_end

    def extrapolated(self, other: Self, weight: float) -> Self:
        """On the line through this, at 0, and a count of the same run at other sizes, at 1."""

        def along(first: float, second: float) -> float:
            return first + weight * (second - first)

        return type(self)(
            prepare=along(self.prepare, other.prepare),
            recognize=along(self.recognize, other.recognize),
            phases={
                name: Phase(
                    num_epochs=phase.num_epochs,
                    train=along(phase.train, other.phases[name].train),
                    minival=along(phase.minival, other.phases[name].minival),
                )
                for name, phase in self.phases.items()
            },
        )
