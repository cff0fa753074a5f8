"""What nodes of an adaptive neural tree are made of.

Shape letters: B samples, C channels, H height, W width, N hidden features, K classes.
"""

from typing import NamedTuple

from torch import Tensor, nn

from core.backbones import norm_layer
from core.config import TrunkNorm

SMALLEST_SIDE = 3
"""A map with a shorter side is not transformed any further."""


class Solved(NamedTuple):
    """What a leaf says of a map."""

    hidden_BN: Tensor
    logits_BK: Tensor


class Solver(nn.Module):
    """A leaf: global average pooling, a hidden layer of n, a linear classifier."""

    def __init__(self, channels: int, *, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU())
        self.classifier = nn.Linear(hidden, num_classes)

    def forward(self, map_BCHW: Tensor) -> Solved:
        hidden_BN = self.hidden(map_BCHW.mean((2, 3)))
        return Solved(hidden_BN, self.classifier(hidden_BN))


class Router(nn.Module):
    """An inner node: two convolutions, pooling, and the logit of going left."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )
        self.linear = nn.Linear(channels, 1)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        logit_B: Tensor = self.linear(self.convs(map_BCHW).mean((2, 3)))[:, 0]
        return logit_B


def transformer(channels: int, *, norm: TrunkNorm) -> nn.Sequential:
    """An edge that extends a path: two convolutions, and half as many pixels a side."""
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            norm_layer(norm, channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def root_transformer(in_channels: int, channels: int, *, norm: TrunkNorm) -> nn.Sequential:
    """From the trunk's last map to the tree's channels."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, bias=False), norm_layer(norm, channels), nn.ReLU()
    )
