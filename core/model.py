"""F alone, and F, q and G as one module.

Shape letters: B samples, C channels, H height, W width, D trunk features, N features, K classes.
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from core.backbones import forward_in_parts, keep_frozen, trunk_of
from core.config import TrainConfig, TrunkNorm
from core.quantize import UniformQuantizer
from core.recognizer import Recognition, Recognizer


class Prediction(NamedTuple):
    """What the network says of a batch, as training sees it."""

    levels_BN: Tensor
    """q(F(x)): whole numbers from 0 to 2^r - 1, in a float dtype."""

    logits_BK: Tensor
    """G's output before the softmax."""


class FeatureNetwork(Recognizer):
    """F: a trunk, and the projection of its pooled features to N. What all rows with F share.

    What stands on top is for the subclass: a quantizer that trains with it, or one that does not.

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
        If the trunk cannot be built, frozen or compiled as the config says, or its weights cannot
        be loaded.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        in_channels: int,
        num_classes: int,
        load_weights: bool = True,
    ) -> None:
        super().__init__()
        self.feature_dim: int = config.feature_dim
        self.num_levels: int = config.num_levels
        self.num_classes = num_classes
        self.precision = config.precision
        self.accumulation_steps = config.accumulation_steps
        self.channels_last = config.channels_last
        self.frozen_stages = config.frozen_stages
        self.trunk = trunk_of(config, in_channels=in_channels, load_weights=load_weights)
        self.projection = projection(config, self.trunk.num_features)

    def features(self, images_BCHW: Tensor) -> Tensor:
        """F(x): real-valued features (B, N), float32. Images are uint8, or floats in [0, 1]."""
        x_BCHW = normalize_images(images_BCHW, channels_last=self.channels_last)
        with torch.autocast(
            x_BCHW.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            if self.accumulation_steps > 1 and torch.is_grad_enabled():
                trunk_features_BD = forward_in_parts(self.trunk, x_BCHW, self.accumulation_steps)
            else:
                trunk_features_BD = self.trunk(x_BCHW)
            features_BN: Tensor = self.projection(trunk_features_BD)
        return features_BN.float()

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; the trunk's frozen stages stay in evaluation mode."""
        super().train(mode)
        if self.frozen_stages:
            keep_frozen(self.trunk)
        return self

    def extractor_parameter_groups(self, config: TrainConfig) -> list[dict[str, object]]:
        """F's parameters for SGD: the trunk with its own step size, then all new layers (line 13).

        PMG's branches are new layers, as the projection is.
        """
        new = [*self.trunk.new_parameters(), *self.projection.parameters()]
        is_new = {id(parameter) for parameter in new}
        trunk = [p for p in self.trunk.parameters() if id(p) not in is_new]
        return [
            {"params": trunk, "scale": config.trunk_learning_rate_scale},
            {"params": new, "scale": 1.0},
        ]


class IntersectionModel(FeatureNetwork):
    """H_net = G o q o F (section 5).

    Parameters
    ----------
    config, in_channels, num_classes, load_weights
        As in `FeatureNetwork`.

    Raises
    ------
    ConfigError, DataError
        As `FeatureNetwork`.

    Examples
    --------
    >>> model = IntersectionModel(TrainConfig(feature_dim=8), in_channels=1, num_classes=10)
    >>> model(torch.rand(4, 1, 8, 8)).logits_BK.shape
    torch.Size([4, 10])
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        in_channels: int,
        num_classes: int,
        load_weights: bool = True,
    ) -> None:
        super().__init__(
            config, in_channels=in_channels, num_classes=num_classes, load_weights=load_weights
        )
        self.quantizer = UniformQuantizer(config.num_bits, config.quantizer_range)
        self.classifier = nn.Sequential(
            nn.Linear(config.feature_dim, config.hidden_dim),
            nn.Mish(),
            nn.Linear(config.hidden_dim, num_classes),
        )

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

    def recognize(self, images_BCHW: Tensor) -> Recognition:
        """Levels in a float dtype, and the softmax of G's logits."""
        levels_BN, logits_BK = self(images_BCHW)
        return Recognition(levels_BN, logits_BK.softmax(1))


def projection(config: TrainConfig, num_inputs: int) -> nn.Sequential:
    """From a vector of any length to the N features that are quantized."""
    return nn.Sequential(
        nn.Linear(num_inputs, config.feature_dim, bias=False),
        # All features share the quantizer's range, so each is brought to the same scale first.
        vector_norm(config.trunk_norm, config.feature_dim),
        nn.ReLU() if config.feature_activation == "relu" else nn.Identity(),
    )


def vector_norm(norm: TrunkNorm, num_features: int) -> nn.BatchNorm1d | nn.LayerNorm:
    """BatchNorm, or LayerNorm, which keeps no statistics of the batch."""
    return nn.BatchNorm1d(num_features) if norm == "batch" else nn.LayerNorm(num_features)


def normalize_images(images_BCHW: Tensor, *, channels_last: bool = False) -> Tensor:
    """Images as a trunk takes them: mean and standard deviation 0.5, as in PMG, so in [-1, 1].

    Parameters
    ----------
    images_BCHW
        uint8, or floats in [0, 1].
    channels_last
        How the result lies in memory; see `TrainConfig.channels_last`.
    """
    x_BCHW = images_BCHW.float() / 255 if images_BCHW.dtype == torch.uint8 else images_BCHW
    x_BCHW = (x_BCHW - 0.5) / 0.5
    return x_BCHW.contiguous(memory_format=torch.channels_last) if channels_last else x_BCHW


def build_model(
    config: TrainConfig, *, in_channels: int, num_classes: int, load_weights: bool = True
) -> IntersectionModel:
    """Make a model whose initial weights depend on `config.seed` and the weights' file alone.

    With `load_weights` False no file is read and no hub is asked: for a model whose trained state
    is loaded next.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return IntersectionModel(
            config, in_channels=in_channels, num_classes=num_classes, load_weights=load_weights
        )
