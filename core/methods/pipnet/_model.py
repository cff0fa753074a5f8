"""A network of patch prototypes that are present or not.

Shape letters: B samples, C channels, H height, W width, N prototypes, K classes.
"""

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.config.options import PIPNetOptions
from core.methods._calibrated import Answer
from core.methods._maps import MapNetwork
from core.methods.pipnet._losses import class_scores


class PIPNetModel(MapNetwork):
    """Trunk, a 1x1 convolution to n, a softmax in each cell, the maximum over cells, a classifier.

    The 1024 numbers are the presences of 1024 prototypes, in [0, 1]: the layer before the last. The
    public code takes the trunk's own channels for them where it can. A level is round((2^r - 1) p):
    the range is [0, 1] whatever was trained, so nothing is calibrated.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `MapNetwork`.
    options
        Of the scores.

    Raises
    ------
    ConfigError, DataError
        As `MapNetwork`.
    """

    def __init__(
        self,
        config: TrainConfig,
        options: PIPNetOptions,
        *,
        in_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__(config, in_channels=in_channels, num_classes=num_classes)
        self._exponent = options.score_exponent
        self.prototypes = nn.Conv2d(self.map_channels[1], config.feature_dim, 1)
        weight_KN = 1 + 0.1 * torch.randn(num_classes, config.feature_dim)
        self.classifier_KN = nn.Parameter(weight_KN.clamp(min=0))
        self.quantizer.calibrate(torch.zeros(1), torch.ones(1))

    def cells(self, images_BCHW: Tensor, *, train_trunk: bool = True) -> Tensor:
        """(B, N, H, W) Probability of each prototype in each cell, float32."""
        map_BCHW = self.last_map(images_BCHW, train_trunk=train_trunk)
        return self.prototypes(map_BCHW).softmax(1)  # type: ignore[no-any-return]

    def scores(self, presence_BN: Tensor) -> Tensor:
        """(B, K) The classifier's logits."""
        return class_scores(presence_BN, self.classifier_KN, exponent=self._exponent)

    def prototype_weights(self) -> Tensor | None:
        """The classifier."""
        return self.classifier_KN.detach()

    def answer(self, images_BCHW: Tensor) -> Answer:
        """Presence of each prototype, and the classes by it.

        The public code takes presences below 0.1 for 0 where it predicts, as we recall; here none
        is changed.
        """
        presence_BN = self.cells(images_BCHW).amax((2, 3))
        return Answer(presence_BN, lambda x_BN: self.scores(x_BN).softmax(1))
