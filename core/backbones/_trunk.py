"""What every trunk has."""

from abc import ABC, abstractmethod

from torch import nn

from core.backbones._weights import LoadedWeights


class Trunk(nn.Module, ABC):
    """A module from images (B, C, H, W) to features (B, `num_features`)."""

    num_features: int
    loaded_weights: LoadedWeights | None = None
    """The file that its first weights came from, if they came from one."""

    @abstractmethod
    def stages(self) -> list[list[nn.Parameter]]:
        """Parameters of each stage that may be frozen, in the order of the forward pass."""

    def new_parameters(self) -> list[nn.Parameter]:
        """Parameters that train at the step size of new layers; the others are the trunk's."""
        return []
