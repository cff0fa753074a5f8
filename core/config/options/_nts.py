"""Options of NTS-Net."""

from dataclasses import dataclass
from typing import ClassVar

from core.config._checks import require
from core.config.options._calibrated import CalibratedOptions


@dataclass(frozen=True, kw_only=True)
class NTSOptions(CalibratedOptions):
    """A navigator that proposes parts, and a teacher that grades them (Yang et al., 2018).

    The numbers are those of its public code. Unlike there, all but the navigator has the config's
    step sizes, and all of it the config's schedule.
    """

    method: ClassVar[str] = "nts"

    num_proposals: int = 6
    """M, parts of an image that the navigator learns to rank."""

    num_parts: int = 4
    """How many of these, the best by the navigator, are joined with the whole image."""

    dropout: float = 0.5
    """Share of pooled features that are left out in training, as in the public code. The paper, as
    we recall it, has none. In evaluation none is left out; in the public code it is by accident."""

    navigator_learning_rate: float = 0.001
    """SGD step size of the navigator, whatever the config's. Its loss is a sum over the pairs of an
    image's parts, with slopes up to M - 1, and bounds no score."""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.method
        require(self.num_parts >= 1, f"`{name}.num_parts` must be at least 1", self.num_parts)
        require(
            self.num_proposals >= self.num_parts,
            f"`{name}.num_proposals` must be at least `{name}.num_parts`, which is "
            f"{self.num_parts}",
            self.num_proposals,
        )
        require(
            self.navigator_learning_rate > 0,
            f"`{name}.navigator_learning_rate` must be above 0",
            self.navigator_learning_rate,
        )
        require(0 <= self.dropout < 1, f"`{name}.dropout` must lie in [0, 1)", self.dropout)
