"""The small convolution net.

Shape letters: B samples, C channels, H height, W width, D trunk features.
"""

import itertools

from torch import Tensor, nn

from core.backbones._trunk import Trunk
from core.config import TrunkNorm

_LAYERS_PER_STAGE = 3


class ConvTrunk(Trunk, nn.Sequential):
    """Three 3x3 convolution stages of doubling width, then global max pooling, as in PMG.

    From (B, C, H, W) to (B, D). Made for images of 8 to 64 pixels. The first stage keeps the
    resolution, the later ones halve it.

    Parameters
    ----------
    in_channels
        Channels of the images.
    width
        Channels of the first stage.
    norm
        "batch" for BatchNorm, "group" for GroupNorm, which keeps no statistics of the batch.
    """

    def __init__(self, in_channels: int, *, width: int, norm: TrunkNorm) -> None:
        widths = (width, 2 * width, 4 * width)
        stages: list[nn.Module] = []
        channels = in_channels
        for index, out_channels in enumerate(widths):
            stages += [
                nn.Conv2d(
                    channels, out_channels, 3, stride=1 if index == 0 else 2, padding=1, bias=False
                ),
                norm_layer(norm, out_channels),
                nn.ReLU(inplace=True),
            ]
            channels = out_channels
        super().__init__(*stages, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.num_features = channels
        self.map_channels = (widths[-2], widths[-1])

    def maps(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of the second and the third stage, a half and a quarter of the image's sides."""
        first_BCHW = last_BCHW = self.first_map(x_BCHW)
        for layer in list(self)[:-2][-_LAYERS_PER_STAGE:]:
            last_BCHW = layer(last_BCHW)
        return first_BCHW, last_BCHW

    def first_map(self, x_BCHW: Tensor) -> Tensor:
        """The map of the second stage."""
        for layer in list(self)[:-2][:-_LAYERS_PER_STAGE]:
            x_BCHW = layer(x_BCHW)
        return x_BCHW

    def first_map_parameters(self) -> list[nn.Parameter]:
        """Those of the first two stages."""
        return list(itertools.chain.from_iterable(self.stages()[:-1]))

    def stages(self) -> list[list[nn.Parameter]]:
        """Parameters of the three stages."""
        layers = list(self)[:-2]
        return [
            list(
                itertools.chain.from_iterable(
                    layer.parameters() for layer in layers[start : start + _LAYERS_PER_STAGE]
                )
            )
            for start in range(0, len(layers), _LAYERS_PER_STAGE)
        ]


def norm_layer(
    norm: TrunkNorm, channels: int, *, momentum: float = 0.1, eps: float = 1e-5
) -> nn.BatchNorm2d | nn.GroupNorm:
    """BatchNorm, or GroupNorm with up to eight groups."""
    if norm == "batch":
        return nn.BatchNorm2d(channels, momentum=momentum, eps=eps)
    groups = next(groups for groups in (8, 4, 2, 1) if channels % groups == 0)
    return nn.GroupNorm(groups, channels, eps=eps)
