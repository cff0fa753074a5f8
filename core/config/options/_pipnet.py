"""Options of PIP-Net."""

from dataclasses import dataclass
from typing import ClassVar

from core.config._checks import require
from core.config.options._base import MethodOptions
from core.config.options._calibrated import OF_ALG_1

PRETRAIN_EPOCHS = 10
FULL_BUDGET = 70


@dataclass(frozen=True, kw_only=True)
class PIPNetOptions(MethodOptions):
    """Patch prototypes from two views of each image (Nauta et al., 2023), and their phases.

    The numbers are those of the public code. All is trained by Adam, without weight decay. The
    trunk's step size is `prototype_learning_rate` times the config's `trunk_learning_rate_scale`.
    There is nothing to calibrate: a feature is a probability.
    """

    method: ClassVar[str] = "pipnet"
    unread: ClassVar[frozenset[str]] = OF_ALG_1 | {
        "feature_activation",
        "momentum",
        "weight_decay",
    }

    pretrain_epochs: int | None = None
    """Epochs at the start without labels. None for 10, or a seventh of a budget below 70."""

    frozen_trunk_epochs: int | None = None
    """Epochs at the start in which the trunk is fixed; None for as many as without labels."""

    align_weight: float = 5.0
    """Weight of the alignment of two views; without labels it rises to 1 over the epochs."""

    pretrain_tanh_weight: float = 5.0
    """Weight of the loss on prototypes that no image of the batch has, without labels."""

    tanh_weight: float = 2.0
    """The same once there are labels."""

    class_weight: float = 2.0
    """Weight of the loss on labels."""

    score_exponent: float = 2.0
    """m: a class's score s counts as log(1 + s^m)."""

    head_learning_rate: float = 0.05
    """Adam step size of the classifier; it follows the schedule."""

    prototype_learning_rate: float = 5e-4
    """Adam step size of the layer of prototypes; it follows the schedule."""

    view_strength: float = 0.4
    """How much two views differ in brightness, contrast, colour and sharpness: factors are drawn
    from 1 minus this to 1 plus this."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("pretrain_epochs", "frozen_trunk_epochs"):
            value = getattr(self, field)
            require(
                value is None or value >= 0,
                f"`{self.method}.{field}` must be at least 0, or be None",
                value,
            )
        for field in ("align_weight", "pretrain_tanh_weight", "tanh_weight"):
            value = getattr(self, field)
            require(value >= 0, f"`{self.method}.{field}` must be at least 0", value)
        for field in ("class_weight", "head_learning_rate", "prototype_learning_rate"):
            value = getattr(self, field)
            require(value > 0, f"`{self.method}.{field}` must be above 0", value)
        require(
            self.score_exponent >= 1,
            f"`{self.method}.score_exponent` must be at least 1",
            self.score_exponent,
        )
        require(
            0 <= self.view_strength <= 1,
            f"`{self.method}.view_strength` must lie in [0, 1]",
            self.view_strength,
        )

    def without_labels(self, num_epochs: int) -> int:
        """`pretrain_epochs`, or the share of a run's budget that stands for None."""
        if self.pretrain_epochs is not None:
            return self.pretrain_epochs
        return PRETRAIN_EPOCHS * min(num_epochs, FULL_BUDGET) // FULL_BUDGET

    def frozen_epochs(self, num_epochs: int) -> int:
        """`frozen_trunk_epochs`, or what stands for None."""
        if self.frozen_trunk_epochs is not None:
            return self.frozen_trunk_epochs
        return self.without_labels(num_epochs)
