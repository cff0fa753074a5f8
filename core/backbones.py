"""F's trunks: from images to a vector of pooled features.

Shape letters: B samples, C channels, H height, W width, D trunk features.
"""

import difflib

from torch import Tensor, nn

from core.config import TrunkNorm
from core.errors import ConfigError
from core.vector_trunk import VectorTrunk


class ConvTrunk(nn.Sequential):
    """Three 3x3 convolution stages of doubling width, then global max pooling, as in PMG.

    Made for images of 8 to 64 pixels. The first stage keeps the resolution, the later ones halve
    it.

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
                nn.BatchNorm2d(out_channels)
                if norm == "batch"
                else nn.GroupNorm(_num_groups(out_channels), out_channels),
                nn.ReLU(inplace=True),
            ]
            channels = out_channels
        super().__init__(*stages, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.num_features = channels


def build_trunk(
    name: str, *, in_channels: int, width: int = 32, norm: TrunkNorm = "batch"
) -> tuple[nn.Module, int]:
    """Make a trunk by name, with random weights.

    Parameters
    ----------
    name
        "conv", "mlp" for vectors given as (B, C, 1, 1), or any name that `timm.list_models()`
        knows.
    in_channels
        Channels of the images.
    width, norm
        Of the small conv net and of "mlp"; a timm model has its own.

    Returns
    -------
    (nn.Module, int)
        A module from (B, C, H, W) to (B, D), and D.

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    if name == "conv":
        trunk = ConvTrunk(in_channels, width=width, norm=norm)
        return trunk, trunk.num_features
    if name == "mlp":
        vector_trunk = VectorTrunk(in_channels, width=width, norm=norm)
        return vector_trunk, vector_trunk.num_features
    check_trunk(name)
    import timm

    model = timm.create_model(name, pretrained=False, num_classes=0, in_chans=in_channels)
    num_features: int = model.num_features  # type: ignore[assignment]
    return _TimmTrunk(model), num_features


def check_trunk(name: str) -> None:
    """Refuse a name that is no trunk for images.

    Raises
    ------
    ConfigError
        With the closest known name.
    """
    if name == "conv":
        return
    # With torchvision behind it, timm takes seconds to import, and the conv net needs neither.
    import timm

    if timm.is_model(name):
        return
    close = difflib.get_close_matches(name, ["conv", *timm.list_models()], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"`trunk` must be 'conv' or a timm model, but got {name!r}.{hint}")


class _TimmTrunk(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x_BCHW: Tensor) -> Tensor:
        features: Tensor = self.model(x_BCHW)
        return features


def _num_groups(channels: int) -> int:
    return next(groups for groups in (8, 4, 2, 1) if channels % groups == 0)
