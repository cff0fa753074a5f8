"""What every trunk has.

Shape letters: B samples, C channels, H height, W width.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from core.backbones._weights import LoadedWeights
from core.errors import ConfigError


class Trunk(nn.Module, ABC):
    """A module from images (B, C, H, W) to features (B, `num_features`)."""

    num_features: int
    loaded_weights: LoadedWeights | None = None
    """The file that its first weights came from, if they came from one."""

    map_channels: tuple[int, int] | None = None
    """Channels of the two maps that `maps` gives, known before a forward; None without maps."""

    @abstractmethod
    def stages(self) -> list[list[nn.Parameter]]:
        """Parameters of each stage that may be frozen, in the order of the forward pass."""

    def new_parameters(self) -> list[nn.Parameter]:
        """Parameters that train at the step size of new layers; the others are the trunk's."""
        return []

    def maps(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The last-but-one and the last map, P and Q, each (B, C, H, W) with its own C, H and W.

        Gradients flow through both. A compiled trunk compiles `forward` alone.

        Raises
        ------
        ConfigError
            If the trunk has no maps; `check_maps` says so before anything is built.
        """
        raise ConfigError(
            f"A method that looks at maps must have a trunk with maps, but {type(self).__name__} "
            "gives vectors alone: use 'conv' or a timm model."
        )

    def map_parameters(self) -> list[nn.Parameter]:
        """Parameters that `maps` depends on: what a method that uses maps alone can train."""
        return [] if self.map_channels is None else list(self.parameters())

    def first_map(self, x_BCHW: Tensor) -> Tensor:
        """P alone, without the stage that makes Q of it.

        Raises
        ------
        ConfigError
            If the trunk has no maps.
        """
        return self.maps(x_BCHW)[0]

    def first_map_parameters(self) -> list[nn.Parameter]:
        """Parameters that `first_map` depends on."""
        return self.map_parameters()
