"""Options of ProtoPNet."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.config._checks import require
from core.config.options._calibrated import OF_ALG_1, CalibratedOptions


@dataclass(frozen=True, kw_only=True)
class ProtoPNetOptions(CalibratedOptions):
    """Prototypes of patches (Chen et al., 2019), and the phases that they are trained in.

    The numbers are those of the public code, in passes over the training set; an epoch there is 30
    passes. All is trained by Adam. The trunk's step size is `prototype_learning_rate` times the
    config's `trunk_learning_rate_scale`; in the code it is a thirtieth.
    """

    method: ClassVar[str] = "protopnet"
    unread: ClassVar[frozenset[str]] = OF_ALG_1 | {
        "feature_activation",
        "momentum",
        "weight_decay",
    }

    features: Literal["similarities", "pooled"] = "similarities"
    """What is quantized: how near each prototype is, or the largest entry of each channel of the
    map that prototypes are compared with, which then has n channels."""

    prototype_channels: int | None = None
    """D, channels of a prototype; None for 128, or those of the trunk's map where they are fewer.
    With ``features="pooled"`` it is n."""

    warm_epochs: int | None = None
    """Epochs in which the trunk is fixed. None for 10, or a quarter of a budget below 40, where the
    trunk has first weights; and for 0 where it begins at random, so that there is nothing to keep.
    """

    push_every: int | None = None
    """Epochs from the warm-up, or a push, to the next push; the last epoch ends with one as well.
    None for 10, or a quarter of a budget below 40."""

    decay_every: int | None = None
    """Epochs after the warm-up for step sizes to fall to a tenth, again and again; None for 15, or
    three eighths of a budget below 40."""

    cluster_weight: float = 0.8
    """Weight of the distance to the nearest prototype of the own class."""

    separation_weight: float = 0.08
    """Weight of the distance to the nearest prototype of another class, which is to grow."""

    last_layer_sparsity_weight: float = 1e-4
    """Weight of the L1 norm of the last layer's connections to wrong classes."""

    prototype_learning_rate: float = 3e-3
    """Adam step size of prototypes and of the layers under them; it follows the schedule."""

    network_weight_decay: float = 1e-3
    """Of the trunk and of the layers under the prototypes, which have none themselves."""

    last_layer_epochs: int = 20
    """Passes over the similarities after each push, for the last layer alone."""

    last_layer_learning_rate: float = 1e-4
    """Adam step size of the last layer, the same in all those passes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, least in (
            ("prototype_channels", 1),
            ("warm_epochs", 0),
            ("push_every", 1),
            ("decay_every", 1),
        ):
            value = getattr(self, field)
            require(
                value is None or value >= least,
                f"`{self.method}.{field}` must be at least {least}, or be None",
                value,
            )
        require(
            self.prototype_channels is None or self.features != "pooled",
            f"`{self.method}.prototype_channels` must be None where `{self.method}.features` is "
            "'pooled', which has a channel for each feature",
            self.prototype_channels,
        )
        for field in (
            "cluster_weight",
            "separation_weight",
            "last_layer_sparsity_weight",
            "network_weight_decay",
            "last_layer_epochs",
        ):
            value = getattr(self, field)
            require(value >= 0, f"`{self.method}.{field}` must be at least 0", value)
        for field in ("prototype_learning_rate", "last_layer_learning_rate"):
            value = getattr(self, field)
            require(value > 0, f"`{self.method}.{field}` must be above 0", value)
