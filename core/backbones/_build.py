"""Trunks by name, with their first weights."""

import functools

import torch
from torch import nn

from core.backbones._compile import compile_trunk
from core.backbones._conv import ConvTrunk
from core.backbones._freeze import freeze_stages
from core.backbones._pmg import PMGTrunk
from core.backbones._timm import TimmTrunk, check_on_hub, classifier_names, create_timm
from core.backbones._trunk import Trunk
from core.backbones._vector import VectorTrunk
from core.backbones._weights import (
    LITE0_MODEL,
    LoadedWeights,
    check_sha256,
    find_weights,
    load_strictly,
    read_weights,
    rename_in_order,
)
from core.config import TrainConfig, TrunkNorm
from core.errors import ConfigError, did_you_mean

_CONV = "conv"
_MLP = "mlp"
_PMG = "pmg"
_PMG_PREFIX = "pmg:"
_PMG_DEFAULT = "resnet50"


def build_trunk(
    name: str,
    *,
    in_channels: int,
    width: int = 32,
    norm: TrunkNorm = "batch",
    weights: str | None = None,
    weights_sha256: str | None = None,
) -> tuple[Trunk, int]:
    """Make a trunk by name.

    Parameters
    ----------
    name
        "conv"; "mlp" for vectors given as (B, C, 1, 1); any name that `timm.list_models()` knows;
        "pmg:" and such a name, or "pmg" for "pmg:resnet50".
    in_channels
        Channels of the images.
    width
        Of the small conv net and of "mlp".
    norm
        Of the small conv net, of "mlp" and of PMG's branches. A timm model has its own; "group"
        refuses one with BatchNorm.
    weights
        None for random weights, "hub", "lite0", or the path of a file. The file holds either a
        timm model, with or without its classifier, or the state dict of a whole trunk, as
        `core.jigsaw` writes it.
    weights_sha256
        What the file's SHA-256 must be, in hex; None to take it as it is.

    Returns
    -------
    (Trunk, int)
        A module from (B, C, H, W) to (B, D), and D. Its `loaded_weights` says what was loaded.

    Raises
    ------
    ConfigError
        If the name is unknown, or does not go with `norm` or `weights`.
    DataError
        If the weights' file is missing, or its names or shapes are not the trunk's.

    Examples
    --------
    >>> trunk, width = build_trunk("conv", in_channels=3, width=8)
    >>> trunk(torch.rand(2, 3, 16, 16)).shape, width
    (torch.Size([2, 32]), 32)
    """
    if name != _MLP:
        check_trunk(name)
    _check_source(name, weights)
    file = None if weights in (None, "hub") else _File(str(weights), weights_sha256)
    trunk: Trunk
    if name in (_CONV, _MLP):
        own = ConvTrunk if name == _CONV else VectorTrunk
        trunk = own(in_channels, width=width, norm=norm)
        if file:
            file.load(trunk)
    else:
        trunk = _build_on_timm(
            name, in_channels=in_channels, norm=norm, from_hub=weights == "hub", file=file
        )
    trunk.loaded_weights = file.record() if file else None
    return trunk, trunk.num_features


def trunk_of(config: TrainConfig, *, in_channels: int, load_weights: bool = True) -> Trunk:
    """Make a config's trunk, with its first weights, frozen stages, memory format and compiler.

    Parameters
    ----------
    config
        Of the run.
    in_channels
        Channels of the images.
    load_weights
        Whether to load what `config.weights` names. False where a trained state follows.

    Raises
    ------
    ConfigError, DataError
        As `build_trunk`; and if the trunk cannot be frozen or compiled as the config says.
    """
    trunk, _ = build_trunk(
        config.trunk,
        in_channels=in_channels,
        width=config.trunk_width,
        norm=config.trunk_norm,
        weights=config.weights if load_weights else None,
        weights_sha256=config.weights_sha256,
    )
    freeze_stages(trunk, config.frozen_stages)
    if config.channels_last:
        trunk.to(memory_format=torch.channels_last)
    if config.compile:
        compile_trunk(trunk)
    return trunk


def check_trunk(name: str) -> None:
    """Refuse a name that is no trunk for images.

    Raises
    ------
    ConfigError
        With the closest known name.
    """
    if name in (_CONV, _PMG):
        return
    # With torchvision behind it, timm takes seconds to import, and the conv net needs neither.
    import timm

    prefix, timm_name = (_PMG_PREFIX, name[4:]) if name.startswith(_PMG_PREFIX) else ("", name)
    if timm.is_model(timm_name):
        architecture, _, tag = timm_name.partition(".")
        if not tag or timm.models.is_model_pretrained(timm_name):
            return
        known = timm.list_pretrained(f"{architecture}.*")
    else:
        known = [*timm.list_models(), *(() if prefix else (_CONV, _PMG))]
    hint = did_you_mean(timm_name, known, prefix=prefix)
    raise ConfigError(
        f"`trunk` must be 'conv', a timm model, or 'pmg:' and a timm model, but got {name!r}.{hint}"
    )


def check_backbone(config: TrainConfig) -> None:
    """Refuse a config whose trunk could not be built, without building it.

    The name, PMG's stages, norms, frozen stages, and where the weights come from; not what a
    weights' file holds.

    Raises
    ------
    ConfigError, DataError
        As `build_trunk` and `freeze_stages` would raise them.
    """
    check_trunk(config.trunk)
    _check_source(config.trunk, config.weights)
    if config.weights == "hub":
        check_on_hub(_timm_name(config.trunk))
    elif config.weights is not None:
        check_sha256(find_weights(config.weights), config.weights_sha256)
    _check_architecture(config.trunk, config.trunk_norm, config.frozen_stages)


def check_maps(config: TrainConfig) -> None:
    """Refuse a config whose trunk has no maps, for a method that looks at them.

    Raises
    ------
    ConfigError
        If the trunk gives vectors alone, or could not be built.
    """
    if _has_maps(config.trunk, config.trunk_norm):
        return
    raise ConfigError(
        f"`trunk` must have feature maps for the method {config.method!r}, but {config.trunk!r} "
        "has none: use 'conv' or a timm model with stages."
    )


class _File:
    """A weights' file on its way into a trunk."""

    def __init__(self, source: str, sha256: str | None) -> None:
        self._is_lite0 = source == "lite0"
        self._path = find_weights(source)
        self._sha256 = check_sha256(self._path, sha256)
        self._tensors = read_weights(self._path)
        self._left_out: tuple[str, ...] = ()

    def holds(self, parts: set[str]) -> bool:
        """Whether all names begin with these, and not with the names of a timm model's parts."""
        return {name.partition(".")[0] for name in self._tensors} <= parts

    def load(self, module: nn.Module) -> None:
        """Load the state dict of a whole trunk."""
        load_strictly(module, self._tensors, path=self._path)

    def load_body(self, body: nn.Module) -> None:
        """Load a timm model, leaving out its classifier."""
        classifiers = classifier_names(body)
        tensors = self._tensors
        if self._is_lite0:
            ends = [f"{name}.{part}" for name in classifiers for part in ("weight", "bias")]
            tensors = rename_in_order(tensors, [*body.state_dict(), *ends], path=self._path)
        self._left_out = load_strictly(body, tensors, path=self._path, classifiers=classifiers)

    def record(self) -> LoadedWeights:
        return LoadedWeights(path=self._path, sha256=self._sha256, left_out=self._left_out)


def _build_on_timm(
    name: str, *, in_channels: int, norm: TrunkNorm, from_hub: bool, file: _File | None
) -> Trunk:
    timm_name = _timm_name(name)

    def build(body: nn.Module) -> Trunk:
        if name == timm_name:
            return TimmTrunk(body, timm_name)
        return PMGTrunk(body, timm_name, norm=norm)

    body = create_timm(timm_name, in_channels=in_channels, from_hub=from_hub)
    if norm == "group":
        _check_without_batch_norm(body, timm_name)
    if file is None:
        return build(body)
    if not file.holds({"model"} if name == timm_name else {"body", "branches"}):
        # Before the trunk is built: PMG drops layers that the file has.
        file.load_body(body)
        return build(body)
    trunk = build(body)
    file.load(trunk)
    return trunk


@functools.lru_cache
def _has_maps(name: str, norm: TrunkNorm) -> bool:
    with torch.device("meta"):
        trunk, _ = build_trunk(name, in_channels=3, norm=norm)
    return trunk.map_channels is not None


@functools.lru_cache
def _check_architecture(name: str, norm: TrunkNorm, frozen_stages: int) -> None:
    with torch.device("meta"):
        trunk, _ = build_trunk(name, in_channels=3, norm=norm)
    freeze_stages(trunk, frozen_stages)


def _timm_name(name: str) -> str:
    """The timm model under a trunk that is not the conv net."""
    return _PMG_DEFAULT if name == _PMG else name.removeprefix(_PMG_PREFIX)


def _check_source(name: str, weights: str | None) -> None:
    if weights == "hub" and name in (_CONV, _MLP):
        raise ConfigError(
            f"`weights='hub'` must go with a timm model, but `trunk` is {name!r}, which timm has "
            "no weights of: choose a timm model, or leave `weights` out."
        )
    if weights == "lite0" and (name in (_CONV, _MLP) or _timm_name(name) != LITE0_MODEL):
        raise ConfigError(
            f"`weights='lite0'` must go with the trunk {LITE0_MODEL!r} or "
            f"{_PMG_PREFIX + LITE0_MODEL!r}, but `trunk` is {name!r}."
        )


def _check_without_batch_norm(body: nn.Module, timm_name: str) -> None:
    count = sum(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in body.modules())
    if count:
        raise ConfigError(
            "`trunk_norm='group'` must go with a trunk that keeps no statistics of the batch, but "
            f"timm's {timm_name!r} has {count} BatchNorm layers of its own: use "
            "`trunk_norm='batch'`, or a model without them, such as 'resnet50_gn' or "
            "'convnext_tiny'."
        )
