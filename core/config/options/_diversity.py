"""Options of the network of diverse features."""

from dataclasses import dataclass
from typing import ClassVar

from core.config._checks import require
from core.config.options._calibrated import OF_ALG_1, CalibratedOptions


@dataclass(frozen=True, kw_only=True)
class DiversityOptions(CalibratedOptions):
    """The dense phase of SLDD-Model and Q-SENN (Norrenbrock et al., 2022 and 2024).

    All is trained by the config's own SGD and schedule; the public code has a step size of 0.005
    that falls to 0.4 of it every 30 of 150 epochs.
    """

    method: ClassVar[str] = "diversity"
    unread: ClassVar[frozenset[str]] = OF_ALG_1 | {"feature_activation"}

    diversity_weight: float = 0.196
    """beta, weight of the loss on features that look at the same places."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.diversity_weight >= 0,
            f"`{self.method}.diversity_weight` must be at least 0",
            self.diversity_weight,
        )
