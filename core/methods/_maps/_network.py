"""What networks share that look at the trunk's maps and not at its pooled features.

Shape letters: B samples, C channels, H height, W width.
"""

from collections.abc import Iterable
from typing import Self

import torch
from torch import Tensor, nn

from core.backbones import call_in_parts, check_maps, keep_frozen, trunk_of
from core.config import TrainConfig
from core.errors import ConfigError
from core.methods._calibrated import CalibratedRecognizer
from core.model import normalize_images
from core.quantize import CalibratedQuantizer


class MapNetwork(CalibratedRecognizer):
    """A trunk with maps, and a quantizer that is calibrated. The head is for the subclass.

    The trunk runs under autocast with ``precision="bf16"``; its maps are float32, and so is all
    that a head makes of them.

    Parameters
    ----------
    config
        Of the run; `check_map_config` says what is refused.
    in_channels
        Channels of the images.
    num_classes
        K.

    Raises
    ------
    ConfigError, DataError
        If the trunk cannot be built or frozen as the config says, or its weights cannot be loaded.
    """

    def __init__(self, config: TrainConfig, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.feature_dim = config.feature_dim
        self.num_levels = config.num_levels
        self.num_classes = num_classes
        self.precision = config.precision
        self.accumulation_steps = config.accumulation_steps
        self.channels_last = config.channels_last
        self.frozen_stages = config.frozen_stages
        self.trunk = trunk_of(config, in_channels=in_channels)
        self.quantizer = CalibratedQuantizer(config.num_bits)
        # The head's draws then do not depend on how many the trunk took.
        torch.manual_seed(config.seed)

    @property
    def map_channels(self) -> tuple[int, int]:
        """Channels of P and of Q."""
        channels = self.trunk.map_channels
        if channels is None:
            raise TypeError("A trunk without maps was let through by `check_map_config`.")
        return channels

    def normalized(self, images_BCHW: Tensor) -> Tensor:
        """Images, uint8 or floats in [0, 1], as the trunk takes them."""
        return normalize_images(images_BCHW, channels_last=self.channels_last)

    def maps(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """P and Q of normalized images, float32."""
        first_BCHW, last_BCHW = self._run(x_BCHW, first_alone=False)
        return first_BCHW, last_BCHW

    def first_map(self, x_BCHW: Tensor) -> Tensor:
        """P alone of normalized images, float32."""
        (first_BCHW,) = self._run(x_BCHW, first_alone=True)
        return first_BCHW

    def last_map(self, images_BCHW: Tensor, *, train_trunk: bool = True) -> Tensor:
        """Q of images, uint8 or floats in [0, 1]: (B, C, H, W) with C, H and W of its own, float32.

        Parameters
        ----------
        images_BCHW
            As `normalized` takes them.
        train_trunk
            False for a phase in which the trunk is fixed: it gets no gradient, and its statistics
            stay, in whatever mode the network is.
        """
        if not train_trunk:
            self.trunk.eval()
        with torch.set_grad_enabled(train_trunk and torch.is_grad_enabled()):
            _, map_BCHW = self.maps(self.normalized(images_BCHW))
        return map_BCHW

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; the trunk's frozen stages stay in evaluation mode."""
        super().train(mode)
        if self.frozen_stages:
            keep_frozen(self.trunk)
        return self

    def trunk_parameter_group(
        self, config: TrainConfig, *, scale: float = 1.0
    ) -> dict[str, object]:
        """What of the trunk Q depends on, at the trunk's own step size.

        Parameters
        ----------
        config
            Its `trunk_learning_rate_scale` says how much smaller the trunk's steps are.
        scale
            Of new layers that are trained in the same way.
        """
        return {
            "params": self.trunk.map_parameters(),
            "scale": scale * config.trunk_learning_rate_scale,
        }

    def parameter_groups(
        self,
        config: TrainConfig,
        trunk_parameters: Iterable[nn.Parameter],
        *,
        apart: Iterable[nn.Parameter] = (),
    ) -> list[dict[str, object]]:
        """For SGD: the trunk's with its own step size, then all other layers'.

        Parameters
        ----------
        config
            Of the run.
        trunk_parameters
            Those that the method's maps depend on.
        apart
            Of other layers, those that are in neither group.
        """
        left_out = {id(parameter) for parameter in (*self.trunk.parameters(), *apart)}
        head = [parameter for parameter in self.parameters() if id(parameter) not in left_out]
        return [
            {"params": list(trunk_parameters), "scale": config.trunk_learning_rate_scale},
            {"params": head, "scale": 1.0},
        ]

    def _run(self, x_BCHW: Tensor, *, first_alone: bool) -> tuple[Tensor, ...]:
        def call(part_BCHW: Tensor) -> tuple[Tensor, ...]:
            if first_alone:
                return (self.trunk.first_map(part_BCHW),)
            return self.trunk.maps(part_BCHW)

        with torch.autocast(
            x_BCHW.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            if self.accumulation_steps > 1 and torch.is_grad_enabled():
                maps = call_in_parts(call, self.trunk, x_BCHW, self.accumulation_steps)
            else:
                maps = call(x_BCHW)
        return tuple(map_BCHW.float() for map_BCHW in maps)


def check_map_config(config: TrainConfig) -> None:
    """Refuse a config that no network on maps can be trained with.

    Raises
    ------
    ConfigError
        If the trunk has no maps, or is to be compiled: what is compiled is its pooled forward,
        which such a network does not run.
    """
    check_maps(config)
    if config.compile:
        raise ConfigError(
            f"`compile` must be False for the method {config.method!r}, which runs the trunk for "
            "its maps, where nothing is compiled, but got True: leave `compile` out."
        )
