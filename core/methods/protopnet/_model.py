"""A network whose last layer reads how near prototypes of patches are.

Shape letters: B samples, C channels, H height, W width, D channels of a prototype, N prototypes,
K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import ProtoPNetOptions
from core.methods._calibrated import Answer
from core.methods._maps import MapNetwork, classes_of_units
from core.methods.protopnet._prototypes import first_last_layer, nearest, similarity

_CHANNELS = 128


class ProtoPNetModel(MapNetwork):
    """Trunk, two 1x1 convolutions, n prototypes that belong to classes, and a last layer.

    The 1024 numbers are the similarities to 1024 prototypes, spread over the classes: the layer
    before the last, with no layer added. The public code has ten prototypes a class, 2000 on CUB.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `MapNetwork`.
    options
        Of the prototypes.

    Raises
    ------
    ConfigError, DataError
        As `MapNetwork`; and if there are fewer features than classes.
    """

    class_of_N: Tensor

    def __init__(
        self,
        config: TrainConfig,
        options: ProtoPNetOptions,
        *,
        in_channels: int,
        num_classes: int,
    ) -> None:
        class_of_N = classes_of_units(config.feature_dim, num_classes)
        super().__init__(config, in_channels=in_channels, num_classes=num_classes)
        self._reads_pooled = options.features == "pooled"
        if self._reads_pooled:
            channels = config.feature_dim
        else:
            channels = options.prototype_channels or min(_CHANNELS, self.map_channels[1])
        self.add_on = nn.Sequential(
            nn.Conv2d(self.map_channels[1], channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
            nn.Sigmoid(),
        )
        for layer in self.add_on:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.prototypes_ND = nn.Parameter(torch.rand(config.feature_dim, channels))
        self.register_buffer("class_of_N", class_of_N, persistent=False)
        self.last_layer_KN = nn.Parameter(first_last_layer(class_of_N, num_classes))

    def patches(self, images_BCHW: Tensor, *, train_trunk: bool = True) -> Tensor:
        """Z, the map that prototypes are compared with: (B, D, H, W) in (0, 1), float32."""
        z_BDHW: Tensor = self.add_on(self.last_map(images_BCHW, train_trunk=train_trunk))
        return z_BDHW

    def distances(self, map_BDHW: Tensor) -> Tensor:
        """(B, N) Squared distance of each prototype to the nearest cell."""
        return nearest(map_BDHW, self.prototypes_ND)

    def similarities(self, map_BDHW: Tensor) -> Tensor:
        """(B, N) What the last layer reads."""
        return similarity(self.distances(map_BDHW))

    def answer(self, images_BCHW: Tensor) -> Answer:
        """The similarities; or the largest entry of each channel.

        There, levels are read by putting their numbers in the place of the largest entries, and
        comparing that map with the prototypes.
        """
        map_BDHW = self.patches(images_BCHW)
        if not self._reads_pooled:
            return Answer(self.similarities(map_BDHW), self._classify)
        largest_BN11 = map_BDHW.amax((2, 3), keepdim=True)

        def classify(features_BN: Tensor) -> Tensor:
            changed_BDHW = torch.where(
                map_BDHW == largest_BN11, features_BN[:, :, None, None], map_BDHW
            )
            return self._classify(self.similarities(changed_BDHW))

        return Answer(largest_BN11.flatten(1), classify)

    def prototype_weights(self) -> Tensor | None:
        """The last layer, unless it reads what is not quantized."""
        return None if self._reads_pooled else self.last_layer_KN.detach()

    def _classify(self, similarities_BN: Tensor) -> Tensor:
        return functional.linear(similarities_BN, self.last_layer_KN).softmax(1)
