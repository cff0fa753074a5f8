"""The network of NTS-Net.

Shape letters: B samples, C channels, H height, W width, M parts, V = M + 1 views, D channels of Q,
N features, K classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.config.options import NTSOptions
from core.methods._calibrated import Answer
from core.methods._maps import MapNetwork
from core.methods.nts._anchors import anchors_for
from core.methods.nts._crops import crops
from core.methods.nts._navigator import Navigator, propose
from core.model import projection


class Views(NamedTuple):
    """An image and its parts."""

    pooled_BVD: Tensor
    """Mean of Q: of the whole image first, then of its parts, best first."""

    scores_BM: Tensor
    """The navigator's, of the parts."""


class NTSModel(MapNetwork):
    """A trunk that sees the image and then, by a navigator's choice, parts of it.

    The 1024 features are a projection of the pooled maps of four parts and the image side by side,
    and the joined classifier reads them. In the public code it reads the 5 x 2048 numbers
    themselves, of which no 1024 can be made by arranging them otherwise.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `MapNetwork`.
    options
        Of NTS-Net.

    Raises
    ------
    ConfigError, DataError
        As `MapNetwork`.
    """

    def __init__(
        self, config: TrainConfig, options: NTSOptions, *, in_channels: int, num_classes: int
    ) -> None:
        super().__init__(config, in_channels=in_channels, num_classes=num_classes)
        channels = self.map_channels[1]
        self.num_parts = options.num_parts
        self.navigator = Navigator(channels)
        self.projection = projection(config, (1 + options.num_parts) * channels)
        self.classifier = nn.Linear(config.feature_dim, num_classes)
        self.whole = nn.Linear(channels, num_classes)
        self.part = nn.Linear(channels, num_classes)

    def views(self, x_BCHW: Tensor, *, count: int) -> Views:
        """Look at normalized images, and at that many parts of each.

        The navigator gives the trunk no gradient.
        """
        _, map_BCHW = self.maps(x_BCHW)
        anchors = anchors_for(_size(x_BCHW), _size(map_BCHW), x_BCHW.device)
        proposals = propose(self.navigator(map_BCHW.detach()), anchors.overlap_AA, count)
        _, of_parts_XCHW = self.maps(crops(x_BCHW, anchors.boxes_A4[proposals.anchors_BM]))
        parts_BMD = of_parts_XCHW.mean((2, 3)).reshape(len(x_BCHW), count, -1)
        whole_BD = map_BCHW.mean((2, 3))
        return Views(torch.cat([whole_BD[:, None], parts_BMD], dim=1), proposals.scores_BM)

    def features(self, pooled_BVD: Tensor) -> Tensor:
        """(B, N) F(x), of the image and its best parts."""
        features_BN: Tensor = self.projection(pooled_BVD[:, : 1 + self.num_parts].flatten(1))
        return features_BN

    def answer(self, images_BCHW: Tensor) -> Answer:
        """Features and classes of image and parts together, in evaluation without dropout."""
        views = self.views(self.normalized(images_BCHW), count=self.num_parts)
        return Answer(
            self.features(views.pooled_BVD), lambda x_BN: self.classifier(x_BN).softmax(1)
        )


def _size(x_BCHW: Tensor) -> tuple[int, int]:
    return x_BCHW.shape[2], x_BCHW.shape[3]
