"""PMG's extractor (Du et al., "Fine-Grained Visual Classification via Progressive
Multi-Granularity Training of Jigsaw Patches", ECCV 2020) on any timm model with a pyramid.

Shape letters: B samples, C channels, H height, W width, D trunk features.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from core.backbones._conv import norm_layer
from core.backbones._timm import (
    intermediate_maps,
    intermediate_parameters,
    keep_pyramid,
    timm_stages,
)
from core.backbones._trunk import Trunk
from core.config import TrunkNorm

BRANCH_HIDDEN = 512
BRANCH_FEATURES = 1024
"""Length of the vector that each of the three stages gives."""

_MOMENTUM = 0.01


class PMGTrunk(Trunk):
    """The last three stages of a timm model, each brought to a vector of 1024, side by side.

    From (B, C, H, W) to (B, 3072). A stage's map goes through a 1x1 convolution to 512 channels
    and a 3x3 convolution to 1024, both without bias and followed by a norm and a ReLU, and then
    through global max pooling.

    Parameters
    ----------
    body
        A timm model without classifier; layers behind its last map are removed from it.
    name
        The model's name, for errors.
    norm
        "batch" for BatchNorm of momentum 0.01 in the branches, "group" for GroupNorm.

    Raises
    ------
    ConfigError
        If the model has fewer than three stages of falling resolution.
    """

    def __init__(self, body: nn.Module, name: str, *, norm: TrunkNorm) -> None:
        super().__init__()
        self.name = name
        self._indices, channels = keep_pyramid(body, name)
        self.body = body
        self.branches = nn.ModuleList(_branch(width, norm) for width in channels)
        self.num_features = BRANCH_FEATURES * len(channels)
        self.map_channels = (channels[-2], channels[-1])

    def vectors(self, x_BCHW: Tensor) -> list[Tensor]:
        """The vectors of the three stages, earliest first, each (B, 1024)."""
        maps = cast(Any, self.body).forward_intermediates(
            x_BCHW, indices=self._indices, output_fmt="NCHW", intermediates_only=True
        )
        return [
            branch(map_BCHW).amax((2, 3))
            for branch, map_BCHW in zip(self.branches, maps, strict=True)
        ]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return torch.cat(self.vectors(x_BCHW), dim=1)

    def maps(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The last two maps of the timm model; the branches have no part in them."""
        first_BCHW, last_BCHW = intermediate_maps(self.body, x_BCHW, self._indices[-2:])
        return first_BCHW, last_BCHW

    def map_parameters(self) -> list[nn.Parameter]:
        """Those of the timm model."""
        return list(self.body.parameters())

    def first_map(self, x_BCHW: Tensor) -> Tensor:
        """The last map but one of the timm model."""
        (first_BCHW,) = intermediate_maps(self.body, x_BCHW, self._indices[-2:-1])
        return first_BCHW

    def first_map_parameters(self) -> list[nn.Parameter]:
        """Those of the timm model up to that map."""
        return intermediate_parameters(self.body, self._indices[-2:-1])

    def stages(self) -> list[list[nn.Parameter]]:
        """Parameters of the timm model by its coarse groups; the branches are none of them."""
        return timm_stages(self.body, self.name)

    def new_parameters(self) -> list[nn.Parameter]:
        """The branches, which PMG trains at the step size of new layers."""
        return list(self.branches.parameters())


def _branch(channels: int, norm: TrunkNorm) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, BRANCH_HIDDEN, 1, bias=False),
        norm_layer(norm, BRANCH_HIDDEN, momentum=_MOMENTUM),
        nn.ReLU(),
        nn.Conv2d(BRANCH_HIDDEN, BRANCH_FEATURES, 3, padding=1, bias=False),
        norm_layer(norm, BRANCH_FEATURES, momentum=_MOMENTUM),
        nn.ReLU(),
    )
