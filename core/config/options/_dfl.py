"""Options of DFL-CNN."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.config._checks import require
from core.config.options._calibrated import CalibratedOptions


@dataclass(frozen=True, kw_only=True)
class DFLOptions(CalibratedOptions):
    """A bank of discriminative filters (Wang, Morariu & Davis, 2018)."""

    method: ClassVar[str] = "dfl"

    features: Literal["bank", "joint"] = "bank"
    """What is quantized: the filters' largest responses; or a projection of these and the pooled
    last map, from which one classifier predicts."""

    side_weight: float = 0.1
    """Of the loss and of the logits of the side branch, the mean response of a class's filters; 0
    leaves the branch out."""

    first_filters: Literal["patches", "random"] = "patches"
    """Where the filters begin: at clusters of the patches of each class that the trunk responds to
    most, or at random."""

    whiten: bool = True
    """Whether filters that begin at patches are whitened, which sets classes apart."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.side_weight >= 0, "`dfl.side_weight` must be at least 0", self.side_weight)
