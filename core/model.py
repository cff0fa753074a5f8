"""F, q and G as one module.

Shape letters: B samples, C channels, H height, W width, N features, K classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.backbones import build_trunk
from core.config import TrainConfig
from core.quantize import UniformQuantizer


class Prediction(NamedTuple):
    """What the network says of a batch."""

    levels_BN: Tensor
    """q(F(x)): whole numbers from 0 to 2^r - 1, in a float dtype."""

    logits_BK: Tensor
    """G's output before the softmax."""


class IntersectionModel(nn.Module):
    """H_net = G o q o F (section 5).

    Parameters
    ----------
    config
        Sizes of the parts.
    in_channels
        Channels of the images.
    num_classes
        k.

    Examples
    --------
    >>> model = IntersectionModel(TrainConfig(feature_dim=8), in_channels=1, num_classes=10)
    >>> model(torch.rand(4, 1, 8, 8)).logits_BK.shape
    torch.Size([4, 10])
    """

    def __init__(self, config: TrainConfig, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.precision = config.precision
        trunk, trunk_dim = build_trunk(
            config.trunk,
            in_channels=in_channels,
            width=config.trunk_width,
            norm=config.trunk_norm,
        )
        self.trunk = trunk
        self.projection = nn.Sequential(
            nn.Linear(trunk_dim, config.feature_dim, bias=False),
            # All features share the quantizer's range, so each is brought to the same scale first.
            nn.BatchNorm1d(config.feature_dim)
            if config.trunk_norm == "batch"
            else nn.LayerNorm(config.feature_dim),
            nn.ReLU() if config.feature_activation == "relu" else nn.Identity(),
        )
        self.quantizer = UniformQuantizer(config.num_bits, config.quantizer_range)
        self.classifier = nn.Sequential(
            nn.Linear(config.feature_dim, config.hidden_dim),
            nn.Mish(),
            nn.Linear(config.hidden_dim, num_classes),
        )

    def features(self, images_BCHW: Tensor) -> Tensor:
        """F(x): real-valued features (B, N), float32. Images are uint8, or floats in [0, 1]."""
        x_BCHW = images_BCHW.float() / 255 if images_BCHW.dtype == torch.uint8 else images_BCHW
        x_BCHW = (x_BCHW - 0.5) / 0.5
        with torch.autocast(
            x_BCHW.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            features_BN: Tensor = self.projection(self.trunk(x_BCHW))
        return features_BN.float()

    def levels(self, images_BCHW: Tensor) -> Tensor:
        """F_q(x) = q(F(x)), shape (B, N)."""
        levels_BN: Tensor = self.quantizer(self.features(images_BCHW))
        return levels_BN

    def classify(self, levels_BN: Tensor) -> Tensor:
        """G's logits (B, K). Its input is the levels scaled to [0, 1]."""
        logits_BK: Tensor = self.classifier(levels_BN / (self.quantizer.num_levels - 1))
        return logits_BK

    def forward(self, images_BCHW: Tensor) -> Prediction:
        levels_BN = self.levels(images_BCHW)
        return Prediction(levels_BN, self.classify(levels_BN))

    def extractor_parameter_groups(self, config: TrainConfig) -> list[dict[str, object]]:
        """F's parameters for SGD, the trunk with its own step size (line 13 of Alg. 1)."""
        scale = config.trunk_learning_rate_scale
        return [
            {"params": list(self.trunk.parameters()), "scale": scale},
            {"params": list(self.projection.parameters()), "scale": 1.0},
        ]


def build_model(config: TrainConfig, *, in_channels: int, num_classes: int) -> IntersectionModel:
    """Make a model whose initial weights depend on `config.seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return IntersectionModel(config, in_channels=in_channels, num_classes=num_classes)
