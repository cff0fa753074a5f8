"""Options of Region Grouping."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.config._checks import require
from core.config.options._calibrated import OF_ALG_1, CalibratedOptions


@dataclass(frozen=True, kw_only=True)
class RegionGroupingOptions(CalibratedOptions):
    """Parts that group the cells of a map (Huang & Li, 2020), with the numbers of the public code.

    Its step size of new layers, 20 times the trunk's, is the config's here, as in every row.
    """

    method: ClassVar[str] = "region_grouping"
    unread: ClassVar[frozenset[str]] = OF_ALG_1 | {"feature_activation"}

    num_parts: int = 5
    """K', parts of an image."""

    prior_weight: float = 0.5
    """Weight of the loss that compares how often parts occur with the prior; 0 leaves it out."""

    prior_alpha: float = 1.0
    """First parameter of the Beta distribution that a part's occurrence should have."""

    prior_beta: float = 0.001
    """Second parameter. By all published configs it is 0.001 and the first is 1, which puts nearly
    all mass at 1: each part should occur in each image. The paper, as we recall it, speaks of a U,
    as 0.001 and 0.001 would be."""

    num_blocks: int | None = None
    """Residual blocks behind the grouping; None for 4 on maps of 256 channels or more, and 2 on
    smaller ones."""

    inference: Literal["as_trained", "mirror", "image"] = "as_trained"
    """Whose logits are added up: those of the image and of its mirror image, or of the image alone.
    "as_trained" takes the mirror image where training had mirrored images."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.method
        require(self.num_parts >= 1, f"`{name}.num_parts` must be at least 1", self.num_parts)
        require(
            self.prior_weight >= 0, f"`{name}.prior_weight` must be at least 0", self.prior_weight
        )
        for field in ("prior_alpha", "prior_beta"):
            value = getattr(self, field)
            require(value > 0, f"`{name}.{field}` must be above 0", value)
        require(
            self.num_blocks is None or self.num_blocks >= 1,
            f"`{name}.num_blocks` must be at least 1, or None to follow the map's channels",
            self.num_blocks,
        )
