"""A network on a trunk's last map.

Shape letters: B samples, C channels, H height, W width.
"""

from typing import Self

import torch
from torch import Tensor

from core.backbones import check_maps, keep_frozen, trunk_of
from core.config import TrainConfig
from core.errors import ConfigError
from core.model import normalize_images
from core.recognizer import Recognizer


class MapNetwork(Recognizer):
    """A trunk whose last map is read. What stands on it is for the subclass.

    Parameters
    ----------
    config
        Sizes of the parts.
    in_channels
        Channels of the images.
    num_classes
        k.
    load_weights
        Whether to load what `config.weights` names. False where a trained state follows.

    Raises
    ------
    ConfigError, DataError
        If the trunk gives no maps, cannot be built, frozen or compiled as the config says, or its
        weights cannot be loaded.
    """

    feature_dim: int
    num_levels: int
    map_channels: int
    """C of the last map."""

    def __init__(
        self,
        config: TrainConfig,
        *,
        in_channels: int,
        num_classes: int,
        load_weights: bool = True,
    ) -> None:
        super().__init__()
        check_maps(config)
        self.feature_dim = config.feature_dim
        self.num_levels = config.num_levels
        self.num_classes = num_classes
        self.precision = config.precision
        self.channels_last = config.channels_last
        self.frozen_stages = config.frozen_stages
        self.trunk = trunk_of(config, in_channels=in_channels, load_weights=load_weights)
        channels = self.trunk.map_channels
        if channels is None:
            raise TypeError(f"{type(self.trunk).__name__} gives no maps.")
        self.map_channels = channels[-1]

    def last_map(self, images_BCHW: Tensor, *, train_trunk: bool = True) -> Tensor:
        """Q, (B, C, H, W) with C, H and W of its own, float32.

        Parameters
        ----------
        images_BCHW
            uint8, or floats in [0, 1].
        train_trunk
            False for a phase in which the trunk is fixed: it gets no gradient, and its statistics
            stay, in whatever mode the network is.
        """
        if not train_trunk:
            self.trunk.eval()
        x_BCHW = normalize_images(images_BCHW, channels_last=self.channels_last)
        with (
            torch.set_grad_enabled(train_trunk and torch.is_grad_enabled()),
            torch.autocast(
                x_BCHW.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
            ),
        ):
            _, map_BCHW = self.trunk.maps(x_BCHW)
        return map_BCHW.float()

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; the trunk's frozen stages stay in evaluation mode."""
        super().train(mode)
        if self.frozen_stages:
            keep_frozen(self.trunk)
        return self

    def trunk_parameter_group(
        self, config: TrainConfig, *, scale: float = 1.0
    ) -> dict[str, object]:
        """What of the trunk the last map depends on, at the trunk's own step size.

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


def check_map_method(config: TrainConfig) -> None:
    """Refuse a config that no method on maps can train.

    Raises
    ------
    ConfigError
        If the trunk has no maps, or is to run in micro-batches.
    """
    check_maps(config)
    if config.accumulation_steps > 1:
        raise ConfigError(
            f"`accumulation_steps` must be 1 for the method {config.method!r}, which reads the "
            f"trunk's maps in one pass, but got {config.accumulation_steps}: choose a smaller "
            "`batch_size`."
        )
