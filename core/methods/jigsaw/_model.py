"""A PMG trunk with four classifiers (Du et al., ECCV 2020, section 3.2).

Shape letters: B samples, C channels, H height, W width, K classes.
"""

from typing import Self, cast

import torch
from torch import Tensor, nn

from core.backbones import BRANCH_FEATURES, PMGTrunk, keep_frozen, trunk_of
from core.config import TrainConfig
from core.model import normalize_images
from core.recognizer import Recognition, Recognizer

_HIDDEN = 512


class JigsawModel(Recognizer):
    """The trunk's three vectors, a classifier for each, and one for the three together.

    Parameters
    ----------
    config
        With a PMG trunk.
    in_channels
        Channels of the images.
    num_classes
        K.
    """

    def __init__(self, config: TrainConfig, *, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.precision = config.precision
        self.channels_last = config.channels_last
        self.frozen_stages = config.frozen_stages
        self.trunk = cast(PMGTrunk, trunk_of(config, in_channels=in_channels))
        # Their own draws, which do not depend on the trunk's.
        torch.manual_seed(config.seed)
        num_stages = len(self.trunk.branches)
        widths = [BRANCH_FEATURES] * num_stages + [self.trunk.num_features]
        self.classifiers = nn.ModuleList(_classifier(width, num_classes) for width in widths)

    def logits(self, images_BCHW: Tensor, classifier: int) -> Tensor:
        """(B, K) float32 of one of the four classifiers; the last sees all vectors together."""
        x_BCHW = normalize_images(images_BCHW, channels_last=self.channels_last)
        with torch.autocast(
            x_BCHW.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            vectors = self.trunk.vectors(x_BCHW)
            last = classifier == len(vectors)
            logits_BK: Tensor = self.classifiers[classifier](
                torch.cat(vectors, 1) if last else vectors[classifier]
            )
        return logits_BK.float()

    def recognize(self, images_BCHW: Tensor) -> Recognition:
        """No levels, and the softmax of the last classifier's logits."""
        last = len(self.classifiers) - 1
        return Recognition(None, self.logits(images_BCHW, last).softmax(1))

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; the trunk's frozen stages stay in evaluation mode."""
        super().train(mode)
        if self.frozen_stages:
            keep_frozen(self.trunk)
        return self

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, object]]:
        """For SGD: the timm model with its own step size, then all new layers."""
        new = [*self.trunk.new_parameters(), *self.classifiers.parameters()]
        return [
            {
                "params": list(self.trunk.body.parameters()),
                "scale": config.trunk_learning_rate_scale,
            },
            {"params": new, "scale": 1.0},
        ]


def _classifier(width: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm1d(width),
        nn.Linear(width, _HIDDEN),
        nn.BatchNorm1d(_HIDDEN),
        nn.ELU(),
        nn.Linear(_HIDDEN, num_classes),
    )
