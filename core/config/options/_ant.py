"""Options of the adaptive neural tree."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.config._checks import require
from core.config.options._calibrated import CalibratedOptions


@dataclass(frozen=True, kw_only=True)
class ANTOptions(CalibratedOptions):
    """The tree of Tanno et al. (2019) on the trunk's last map: how it grows and is trained.

    The published code trains every candidate for up to 100 epochs and refines for 100 more. Here a
    run has the config's epochs, as every row has, and growth a share of them.
    """

    method: ClassVar[str] = "ant"
    unread: ClassVar[frozenset[str]] = CalibratedOptions.unread | {
        "feature_activation",
        "momentum",
        "weight_decay",
    }

    features: Literal["mean", "routed"] = "mean"
    """What is quantized: the solvers' hidden vectors, averaged by the probabilities of their
    leaves, or that of the most probable leaf."""

    width: int = 128
    """Channels of transformers and routers, or the trunk's if those are fewer."""

    max_depth: int = 10
    """Largest number of edges from the root to a leaf."""

    growth_share: float = 0.5
    """Share of the epochs after which growth ends, whatever it was at; the rest refines."""

    node_epochs: int | None = None
    """Epochs that the root, and then each candidate, is trained at most; None for a tenth of
    growth's, so that a few nodes have their turn in any budget."""

    patience: int = 5
    """Such training ends after so many epochs without a lower loss on the held-out images."""

    holdout: float = 0.1
    """Share of the training images that growth does not learn from and chooses by; minival is kept
    for stopping."""

    learning_rate: float = 1e-3
    """Adam's step size for all but the trunk, which has `trunk_learning_rate_scale` times that; it
    follows the config's schedule."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("width", 1), ("max_depth", 0), ("patience", 1)):
            value = getattr(self, name)
            require(value >= least, f"`ant.{name}` must be at least {least}", value)
        require(
            self.node_epochs is None or self.node_epochs >= 1,
            "`ant.node_epochs` must be at least 1, or None for a share of growth's epochs",
            self.node_epochs,
        )
        require(
            0 <= self.growth_share < 1, "`ant.growth_share` must lie in [0, 1)", self.growth_share
        )
        require(0 < self.holdout < 1, "`ant.holdout` must lie in (0, 1)", self.holdout)
        require(self.learning_rate > 0, "`ant.learning_rate` must be above 0", self.learning_rate)
