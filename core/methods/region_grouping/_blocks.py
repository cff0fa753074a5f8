"""Residual blocks over the vectors of parts, each by itself.

Shape letters: B samples, C channels, P parts.
"""

from torch import Tensor, nn
from torch.nn import functional

from core.backbones import norm_layer
from core.config import TrunkNorm

_LEAST_WIDTH = 8


class PartBlock(nn.Module):
    """Three 1x1 convolutions with norms around a shortcut: a bottleneck.

    The last norm begins at 0, so the block begins as its shortcut.

    Parameters
    ----------
    channels, out_channels
        Where they differ the shortcut is a convolution.
    width
        Channels in the middle.
    norm
        Of all layers.
    """

    def __init__(self, channels: int, out_channels: int, *, width: int, norm: TrunkNorm) -> None:
        super().__init__()
        last = norm_layer(norm, out_channels)
        self.residual = nn.Sequential(
            _conv(channels, width),
            norm_layer(norm, width),
            nn.ReLU(),
            _conv(width, width),
            norm_layer(norm, width),
            nn.ReLU(),
            _conv(width, out_channels),
            last,
        )
        nn.init.zeros_(last.weight)
        self.shortcut: nn.Module = nn.Identity()
        if channels != out_channels:
            self.shortcut = nn.Sequential(
                _conv(channels, out_channels), norm_layer(norm, out_channels)
            )

    def forward(self, parts_BCP1: Tensor) -> Tensor:
        return functional.relu(self.shortcut(parts_BCP1) + self.residual(parts_BCP1))


def part_attention(channels: int, *, norm: TrunkNorm) -> nn.Sequential:
    """From the parts' vectors to how much each counts (B, 1, P, 1), before the softmax."""
    width = max(_LEAST_WIDTH, channels // 4)
    score = nn.Conv2d(channels, 1, 1)
    nn.init.kaiming_normal_(score.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(
        PartBlock(channels, channels, width=width, norm=norm),
        PartBlock(channels, channels, width=width, norm=norm),
        score,
        norm_layer(norm, 1),
        nn.ReLU(),
    )


def part_blocks(channels: int, out_channels: int, *, count: int, norm: TrunkNorm) -> nn.Sequential:
    """The blocks that make features of the parts' vectors."""
    width = max(_LEAST_WIDTH, out_channels // 4)
    inputs = [channels, *[out_channels] * (count - 1)]
    return nn.Sequential(
        *(PartBlock(size, out_channels, width=width, norm=norm) for size in inputs)
    )


def _conv(channels: int, out_channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, out_channels, 1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
