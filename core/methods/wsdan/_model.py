"""The network of WS-DAN.

Shape letters: B samples, M attention maps, C channels, H height, W width, N features, K classes,
D = M C numbers of the pooled matrix.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.backbones import norm_layer
from core.config import TrainConfig, TrunkNorm
from core.config.options import WSDANOptions
from core.errors import ConfigError
from core.methods._calibrated import Answer
from core.methods._maps import MapNetwork
from core.methods.wsdan._centers import Centers
from core.methods.wsdan._pooling import attention_pool
from core.methods.wsdan._regions import boxes_of, cropped, on_image

_COUNTS = (32, 16, 8, 4)
_SCALE = 100.0
"""A vector of length 1 gives a linear layer hardly any logits."""

_EPS = 1e-3
_THRESHOLD, _PADDING = 0.1, 0.05
"""Of the crop that is looked at beside the image once the network is trained."""


class Seen(NamedTuple):
    """What the network makes of images."""

    pooled_BD: Tensor
    """The pooled matrix as a vector of length 1, which the centre loss reads."""

    attention_BMHW: Tensor
    """Never negative."""


class WSDANModel(MapNetwork):
    """Attention maps on the trunk's last map Q, pooled with channels made of Q (Hu et al., 2019).

    The 1024 features are the pooled matrix itself, the classifier's input, of 32 attention maps by
    32 channels: a convolution in front of the pooling reduces Q's channels to n / M. In the public
    codes the matrix has all of Q's channels, 32 by 2048 on a ResNet-50; option
    ``features="linear"`` has that, and a linear layer from it to n numbers. The attention maps are
    a convolution on Q, as in the paper, as we recall it, and not channels of a deeper layer, as in
    the official code.

    Classes are the mean of the softmaxes of the image and of a crop of it; the features are those
    of the image alone.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `MapNetwork`.
    options
        Of WS-DAN.

    Raises
    ------
    ConfigError, DataError
        As `MapNetwork`, and as `num_maps_for`.
    """

    def __init__(
        self, config: TrainConfig, options: WSDANOptions, *, in_channels: int, num_classes: int
    ) -> None:
        super().__init__(config, in_channels=in_channels, num_classes=num_classes)
        num_features, channels = config.feature_dim, self.map_channels[1]
        num_maps = num_maps_for(num_features)
        self.attention = _conv(channels, num_maps, config.trunk_norm, eps=_EPS)
        self.reduction: nn.Module = nn.Identity()
        self.hidden: nn.Module = nn.Identity()
        if options.features == "attention":
            self.reduction = _conv(channels, num_features // num_maps, config.trunk_norm)
            channels = num_features // num_maps
        else:
            self.hidden = nn.Linear(num_maps * channels, num_features)
        self.classifier = nn.Linear(num_features, num_classes, bias=False)
        self.centers = Centers(num_classes, num_maps * channels, step=options.center_step)

    def look(self, x_BCHW: Tensor) -> Seen:
        """Pool the maps of normalized images by attention."""
        _, last_BCHW = self.maps(x_BCHW)
        attention_BMHW = self.attention(last_BCHW)
        return Seen(attention_pool(attention_BMHW, self.reduction(last_BCHW)), attention_BMHW)

    def features(self, seen: Seen) -> Tensor:
        """(B, N) F(x), the classifier's input."""
        features_BN: Tensor = self.hidden(_SCALE * seen.pooled_BD)
        return features_BN

    def logits(self, seen: Seen) -> Tensor:
        """(B, K)."""
        logits_BK: Tensor = self.classifier(self.features(seen))
        return logits_BK

    def answer(self, images_BCHW: Tensor) -> Answer:
        """Look at the images, then at what the mean of their attention maps points at."""
        x_BCHW = self.normalized(images_BCHW)
        seen = self.look(x_BCHW)
        height, width = x_BCHW.shape[2:]
        mean_BHW = on_image(seen.attention_BMHW.mean(1), (height, width))
        threshold_B = torch.full_like(mean_BHW[:, 0, 0], _THRESHOLD)
        boxes_B4 = boxes_of(mean_BHW, threshold_B, padding=_PADDING)
        of_crop_BK = self.logits(self.look(cropped(x_BCHW, boxes_B4))).softmax(1)
        return Answer(
            self.features(seen),
            lambda features_BN: (self.classifier(features_BN).softmax(1) + of_crop_BK) / 2,
        )


def num_maps_for(feature_dim: int) -> int:
    """M: the largest of 32, 16, 8 and 4 that divides n and whose square is at most n.

    Raises
    ------
    ConfigError
        If there is none.

    Examples
    --------
    >>> [num_maps_for(feature_dim) for feature_dim in (1024, 128, 64)]
    [32, 8, 8]
    """
    for count in _COUNTS:
        if feature_dim % count == 0 and count**2 <= feature_dim:
            return count
    raise ConfigError(
        "`feature_dim` must be a multiple of 4 and at least 16 for the method 'wsdan', whose "
        f"features are attention maps times channels, but got {feature_dim}."
    )


def _conv(channels: int, out_channels: int, norm: TrunkNorm, *, eps: float = 1e-5) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, 1, bias=False),
        norm_layer(norm, out_channels, eps=eps),
        nn.ReLU(),
    )
