"""Options of API-Net."""

from dataclasses import dataclass
from typing import ClassVar

from core.config._checks import require
from core.config.options._calibrated import CalibratedOptions

FROZEN_EPOCHS = 8
FULL_BUDGET = 100


@dataclass(frozen=True, kw_only=True)
class APINetOptions(CalibratedOptions):
    """Attentive pairwise interaction (Zhuang et al., 2020): which images meet, and the losses.

    The numbers are those of the public code, but for the classes of a batch, 30 there. Trunk and
    new layers have the config's SGD. `TrainConfig.batch_size` is that of calibration alone.
    """

    method: ClassVar[str] = "apinet"

    classes_per_batch: int = 8
    """Classes that a training batch has images of, or all where there are fewer."""

    samples_per_class: int = 4
    """Images of each of them, or all where a class has fewer."""

    frozen_trunk_epochs: int | None = None
    """Epochs at the start in which the trunk's weights stay. None for 8, or 8 in 100 of a shorter
    budget than 100."""

    dropout: float = 0.5
    """Share of numbers that are dropped in training: between the two layers that compare a pair,
    and before the classifier."""

    margin: float = 0.05
    """By how much an image's own gate should beat its partner's in the probability of its label."""

    rank_weight: float = 1.0
    """Weight of the loss on that margin."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("classes_per_batch", "samples_per_class"):
            value = getattr(self, field)
            require(value >= 2, f"`{self.method}.{field}` must be at least 2", value)
        require(
            self.frozen_trunk_epochs is None or self.frozen_trunk_epochs >= 0,
            f"`{self.method}.frozen_trunk_epochs` must be at least 0, or be None",
            self.frozen_trunk_epochs,
        )
        require(0 <= self.dropout < 1, f"`{self.method}.dropout` must lie in [0, 1)", self.dropout)
        for field in ("margin", "rank_weight"):
            value = getattr(self, field)
            require(value >= 0, f"`{self.method}.{field}` must be at least 0", value)

    def frozen_epochs(self, num_epochs: int) -> int:
        """`frozen_trunk_epochs`, or the share of a run's budget that stands for None."""
        if self.frozen_trunk_epochs is not None:
            return self.frozen_trunk_epochs
        return FROZEN_EPOCHS * min(num_epochs, FULL_BUDGET) // FULL_BUDGET
