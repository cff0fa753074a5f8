"""A linear classifier on pooled feature maps.

Shape letters: B samples, C channels, H height, W width, N features, K classes.
"""

from torch import Tensor, nn

from core.backbones import norm_layer
from core.config import TrainConfig
from core.config.options import DiversityOptions
from core.methods._calibrated import Answer
from core.methods._maps import MapNetwork


class DiversityModel(MapNetwork):
    """Trunk, n feature maps, their means, a linear classifier.

    The 1024 numbers are the means of 1024 maps, which a 1x1 convolution, a norm and a ReLU make of
    the trunk's last map. In the public code they are the means of the trunk's own 2048 channels;
    a number of one's own is what all rows here have.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `MapNetwork`.
    options
        Of the loss.

    Raises
    ------
    ConfigError, DataError
        As `MapNetwork`.
    """

    def __init__(
        self,
        config: TrainConfig,
        options: DiversityOptions,
        *,
        in_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__(config, in_channels=in_channels, num_classes=num_classes)
        self.projection = nn.Sequential(
            nn.Conv2d(self.map_channels[1], config.feature_dim, 1, bias=False),
            norm_layer(config.trunk_norm, config.feature_dim),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(config.feature_dim, num_classes)

    def feature_maps(self, images_BCHW: Tensor) -> Tensor:
        """(B, N, H, W) Maps of the features, not negative, float32."""
        maps_BNHW: Tensor = self.projection(self.last_map(images_BCHW))
        return maps_BNHW

    def answer(self, images_BCHW: Tensor) -> Answer:
        """Means of the maps, and the classifier on them."""
        features_BN = self.feature_maps(images_BCHW).mean((2, 3))
        return Answer(features_BN, lambda x_BN: self.classifier(x_BN).softmax(1))
