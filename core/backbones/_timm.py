"""timm's models as trunks: pooled features, and the maps of the last three stages.

timm takes seconds to import, since torchvision comes with it, so every import of it is inside a
function.

Shape letters: B samples, C channels, H height, W width, D trunk features.
"""

import copy
from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn

from core.backbones._trunk import Trunk
from core.errors import ConfigError, DataError

PYRAMID_STAGES = 3
_MAPS = 2


class TimmTrunk(Trunk):
    """A timm model without its classifier: (B, C, H, W) to its pooled features (B, D)."""

    def __init__(self, model: nn.Module, name: str) -> None:
        super().__init__()
        self.model = model
        self.name = name
        self.num_features = cast(Any, model).num_features
        info: Sequence[dict[str, Any]] = getattr(model, "feature_info", ())
        if hasattr(model, "forward_intermediates") and len(info) >= _MAPS:
            self.map_channels = (info[-2]["num_chs"], info[-1]["num_chs"])
            self._map_indices = [len(info) - 2, len(info) - 1]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        features: Tensor = self.model(x_BCHW)
        return features

    def maps(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of timm's last two stages; of a transformer, of its last two blocks."""
        if self.map_channels is None:
            return super().maps(x_BCHW)
        first_BCHW, last_BCHW = intermediate_maps(self.model, x_BCHW, self._map_indices)
        return first_BCHW, last_BCHW

    def map_parameters(self) -> list[nn.Parameter]:
        """All but those of layers behind the last map, such as a last norm."""
        if self.map_channels is None:
            return []
        return intermediate_parameters(self.model, self._map_indices)

    def first_map(self, x_BCHW: Tensor) -> Tensor:
        """The map of timm's last stage but one; the last does not run."""
        if self.map_channels is None:
            return super().first_map(x_BCHW)
        (first_BCHW,) = intermediate_maps(self.model, x_BCHW, self._map_indices[:1])
        return first_BCHW

    def first_map_parameters(self) -> list[nn.Parameter]:
        """Those of the stages up to that map."""
        if self.map_channels is None:
            return []
        return intermediate_parameters(self.model, self._map_indices[:1])

    def stages(self) -> list[list[nn.Parameter]]:
        """Parameters by timm's coarse groups: the stem, then each stage."""
        return timm_stages(self.model, self.name)


def create_timm(name: str, *, in_channels: int, from_hub: bool = False) -> nn.Module:
    """Make a timm model without classifier.

    Parameters
    ----------
    name
        Any name that `timm.list_models()` knows, with or without a tag for the hub.
    in_channels
        Channels of the images.
    from_hub
        Whether to take timm's own pretrained weights, which may need the network.

    Raises
    ------
    ConfigError
        If timm has no pretrained weights of that name.
    DataError
        If the hub does not give them.
    """
    import timm

    if not from_hub:
        return timm.create_model(name, pretrained=False, num_classes=0, in_chans=in_channels)
    check_on_hub(name)
    try:
        model = timm.create_model(name, pretrained=True, num_classes=0, in_chans=in_channels)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"`weights='hub'` must find the weights of {name!r} in timm's hub or in its cache, but "
            f"it did not ({_first_line(error)}): connect to the network, or give the path of a "
            "file as `weights`."
        ) from error
    return model


def check_on_hub(name: str) -> None:
    """Refuse a timm name without pretrained weights.

    Raises
    ------
    ConfigError
        With what to do instead.
    """
    import timm

    if not timm.models.is_model_pretrained(name):
        raise ConfigError(
            f"`weights='hub'` must name a model that timm has weights of, but got {name!r}: choose "
            "another trunk, or give the path of a file as `weights`."
        )


def classifier_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the modules that classify, in the model as timm publishes it."""
    names: str | Sequence[str] | None = cast(Any, model).pretrained_cfg.get("classifier")
    return (names,) if isinstance(names, str) else tuple(names or ())


def keep_pyramid(model: nn.Module, name: str) -> tuple[list[int], list[int]]:
    """Cut a timm model down to what its last three feature maps need.

    Returns
    -------
    (list of int, list of int)
        Indices for timm's `forward_intermediates`, and the channels of each map.

    Raises
    ------
    ConfigError
        If the model has fewer than three stages, or they do not fall in resolution.
    """
    info: Sequence[dict[str, Any]] = getattr(model, "feature_info", ())
    reductions = [stage["reduction"] for stage in info[-PYRAMID_STAGES:]]
    if not hasattr(model, "forward_intermediates") or len(set(reductions)) < PYRAMID_STAGES:
        raise ConfigError(
            f"`trunk='pmg:...'` must name a timm model whose last {PYRAMID_STAGES} stages each "
            f"have a lower resolution than the one before, but those of {name!r} divide the "
            f"image's sides by {reductions}: choose another, such as 'pmg:resnet50', or use "
            f"{name!r} without PMG."
        )
    channels = [stage["num_chs"] for stage in info[-PYRAMID_STAGES:]]
    # Layers behind the last map would never get a gradient.
    indices: list[int] = cast(Any, model).prune_intermediate_layers(
        list(range(len(info) - PYRAMID_STAGES, len(info))), prune_norm=True, prune_head=True
    )
    return indices, channels


def intermediate_maps(model: nn.Module, x_BCHW: Tensor, indices: list[int]) -> list[Tensor]:
    """Feature maps of a timm model, which runs as far as the last of them."""
    maps: list[Tensor] = cast(Any, model).forward_intermediates(
        x_BCHW, indices=indices, stop_early=True, output_fmt="NCHW", intermediates_only=True
    )
    return maps


def intermediate_parameters(model: nn.Module, indices: list[int]) -> list[nn.Parameter]:
    """Parameters that these feature maps of a timm model depend on."""
    pruned = copy.deepcopy(model)
    cast(Any, pruned).prune_intermediate_layers(indices, prune_norm=True, prune_head=True)
    kept = {name for name, _ in pruned.named_parameters()}
    return [parameter for name, parameter in model.named_parameters() if name in kept]


def timm_stages(model: nn.Module, name: str) -> list[list[nn.Parameter]]:
    """Parameters of a timm model by timm's coarse groups, in the order of the forward pass.

    Raises
    ------
    ConfigError
        If timm does not say what the model's groups are.
    """
    from timm.models import group_parameters

    parameters = dict(model.named_parameters())
    try:
        groups = group_parameters(model, cast(Any, model).group_matcher(coarse=True))
    except (AttributeError, AssertionError) as error:
        raise ConfigError(
            f"`frozen_stages` must be 0 for {name!r}, of which timm does not say where its stages "
            "begin."
        ) from error
    return [[parameters[key] for key in groups[index]] for index in sorted(groups)]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
