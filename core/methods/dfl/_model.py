"""The network of DFL-CNN.

Shape letters: B samples, C channels, H height, W width, N features, K classes, D channels of Q.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.config.options import DFLOptions
from core.methods._calibrated import Answer
from core.methods._maps import MapNetwork
from core.methods.dfl._bank import FilterBank
from core.model import projection


class Streams(NamedTuple):
    """What the network makes of images."""

    responses_BN: Tensor
    """Of the bank, on P."""

    pooled_BD: Tensor
    """Mean of Q."""


class DFLModel(MapNetwork):
    """A bank of filters on the trunk's last map but one, beside the whole image's stream.

    The 1024 features are the bank's largest responses: it has n filters spread over the classes, 5
    or 6 a class on CUB, where the paper has 10. They are the last layer of the stream that the
    method is about, but no prediction is made of them alone: logits of both streams are added.
    With option ``features="joint"``, one classifier reads a projection of responses and pooled Q.

    Unlike in the public code on VGG-16, the stream of the whole image is mean pooling and a linear
    layer, without a norm and a ReLU after it, which would leave no logit below 0.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `MapNetwork`.
    options
        Of DFL-CNN.

    Raises
    ------
    ConfigError, DataError
        As `MapNetwork`, and if there are fewer features than classes.
    """

    def __init__(
        self, config: TrainConfig, options: DFLOptions, *, in_channels: int, num_classes: int
    ) -> None:
        super().__init__(config, in_channels=in_channels, num_classes=num_classes)
        num_features = config.feature_dim
        first_channels, last_channels = self.map_channels
        self.side_weight = options.side_weight
        self.bank = FilterBank(first_channels, num_filters=num_features, num_classes=num_classes)
        self.projection: nn.Sequential | None = None
        self.whole: nn.Linear | None = None
        if options.features == "joint":
            self.projection = projection(config, num_features + last_channels)
        else:
            self.whole = nn.Linear(last_channels, num_classes)
        self.classifier = nn.Linear(num_features, num_classes)

    def streams(self, images_BCHW: Tensor) -> Streams:
        """Responses and pooled map of images."""
        first_BCHW, last_BCHW = self.maps(self.normalized(images_BCHW))
        return Streams(self.bank(first_BCHW), last_BCHW.mean((2, 3)))

    def features(self, streams: Streams) -> Tensor:
        """(B, N) F(x)."""
        if self.projection is None:
            return streams.responses_BN
        features_BN: Tensor = self.projection(
            torch.cat([streams.pooled_BD, streams.responses_BN], dim=1)
        )
        return features_BN

    def logits(self, streams: Streams) -> dict[str, Tensor]:
        """(B, K) by stream, each of which has a loss of its own; "label" reads the features."""
        logits = {"label": self.classifier(self.features(streams))}
        if self.whole is not None:
            logits["whole"] = self.whole(streams.pooled_BD)
        if self.side_weight:
            logits["side"] = self.bank.side(streams.responses_BN)
        return logits

    def answer(self, images_BCHW: Tensor) -> Answer:
        """Responses; classes by the sum of all streams' logits, or by the one classifier."""
        streams = self.streams(images_BCHW)
        whole_BK: Tensor | float = 0.0 if self.whole is None else self.whole(streams.pooled_BD)

        def classify(features_BN: Tensor) -> Tensor:
            logits_BK: Tensor = self.classifier(features_BN) + whole_BK
            if self.projection is None and self.side_weight:
                logits_BK = logits_BK + self.side_weight * self.bank.side(features_BN)
            return logits_BK.softmax(1)

        return Answer(self.features(streams), classify)
