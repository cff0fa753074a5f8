"""Options of WS-DAN."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.config._checks import require
from core.config.options._calibrated import OF_ALG_1, CalibratedOptions


@dataclass(frozen=True, kw_only=True)
class WSDANOptions(CalibratedOptions):
    """Attention cropping and dropping (Hu et al., 2019), with the numbers of its public codes.

    Unlike them, the trunk and the convolutions on it have the config's step sizes and schedule, as
    in every row.
    """

    method: ClassVar[str] = "wsdan"
    unread: ClassVar[frozenset[str]] = OF_ALG_1 | {"feature_activation"}

    features: Literal["attention", "linear"] = "attention"
    """What is quantized: the pooled matrix of M attention maps by n / M channels itself; or n
    numbers that a linear layer makes of M maps by all of the trunk's channels."""

    center_weight: float = 1.0
    """Weight of the centre loss; 0 leaves it out."""

    center_step: float = 0.05
    """How far a class's centre moves towards each of its images."""

    classifier_learning_rate: float = 0.001
    """SGD step size of the classifier, whatever the config's, whose schedule it follows. Its inputs
    have length 100, and its gradients grow with them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.method
        require(
            self.center_weight >= 0,
            f"`{name}.center_weight` must be at least 0",
            self.center_weight,
        )
        require(
            0 <= self.center_step <= 1,
            f"`{name}.center_step` must lie in [0, 1]",
            self.center_step,
        )
        require(
            self.classifier_learning_rate > 0,
            f"`{name}.classifier_learning_rate` must be above 0",
            self.classifier_learning_rate,
        )
