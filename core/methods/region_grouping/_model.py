"""The network of Region Grouping.

Shape letters: B samples, P parts, C channels, H height, W width, N features, K classes.
"""

from typing import NamedTuple

from torch import Tensor, nn

from core.config import TrainConfig
from core.config.options import RegionGroupingOptions
from core.methods._calibrated import Answer
from core.methods._maps import MapNetwork
from core.methods.region_grouping._blocks import part_attention, part_blocks
from core.methods.region_grouping._grouping import Grouping
from core.model import vector_norm

_WIDE = 256


class Grouped(NamedTuple):
    """What the network makes of images."""

    features_BN: Tensor
    assigned_BPHW: Tensor
    """How much of each cell each part has."""


class RegionGroupingModel(MapNetwork):
    """Parts on the trunk's last map but one, P; the stage behind it does not run.

    The 1024 features are the parts' vectors, after residual blocks that bring them to n, averaged
    by attention and normalized: the classifier's input. In the public code the blocks are twice as
    wide, 2048 with 512 in the middle; here they are n and n / 4. Features are signed.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `MapNetwork`.
    options
        Of Region Grouping.

    Raises
    ------
    ConfigError, DataError
        As `MapNetwork`.
    """

    def __init__(
        self,
        config: TrainConfig,
        options: RegionGroupingOptions,
        *,
        in_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__(config, in_channels=in_channels, num_classes=num_classes)
        channels, norm = self.map_channels[0], config.trunk_norm
        count = options.num_blocks or (4 if channels >= _WIDE else 2)
        self.grouping = Grouping(channels, options.num_parts)
        self.attention = part_attention(channels, norm=norm)
        self.blocks = part_blocks(channels, config.feature_dim, count=count, norm=norm)
        self.norm = vector_norm(norm, config.feature_dim)
        self.classifier = nn.Linear(config.feature_dim, num_classes)
        self._adds_mirror = options.inference == "mirror" or (
            options.inference == "as_trained" and config.augmentation == "crop_flip"
        )

    def group(self, x_BCHW: Tensor) -> Grouped:
        """Features and parts of normalized images."""
        map_BCHW = self.first_map(x_BCHW)
        assigned_BPHW = self.grouping.assign(map_BCHW)
        parts_BCP1 = self.grouping(map_BCHW, assigned_BPHW)
        weights_B1P1 = self.attention(parts_BCP1).softmax(2)
        mean_BN = (weights_B1P1 * self.blocks(parts_BCP1)).sum((2, 3))
        return Grouped(self.norm(mean_BN), assigned_BPHW)

    def answer(self, images_BCHW: Tensor) -> Answer:
        """Features of the images; classes by the sum of their logits and of their mirror images'.

        Which images are mirrored is for option ``inference``.
        """
        x_BCHW = self.normalized(images_BCHW)
        features_BN = self.group(x_BCHW).features_BN
        mirrored_BK: Tensor | float = 0.0
        if self._adds_mirror:
            mirrored_BK = self.classifier(self.group(x_BCHW.flip(3)).features_BN)
        return Answer(features_BN, lambda x_BN: (self.classifier(x_BN) + mirrored_BK).softmax(1))
