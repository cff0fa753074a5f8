"""Which configs are the same run, and the hash that names it.

A run is known by what differs from the defaults, after what cannot matter is left out. A test
freezes the defaults, and for every field that is left out a run shows that it does not matter.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.config._options import plain

if TYPE_CHECKING:
    from core.config._train_config import TrainConfig

SCHEMA = 1
"""Raised when a default changes its value, or a value its meaning: older runs are then others."""

_OF_SPARSITY = ("sparsity_weight", "mask_probability", "sparsity_norm", "sparsity_divisor")
_TRUNKS_WITH_A_WIDTH = ("conv", "mlp")


def params(config: "TrainConfig") -> dict[str, Any]:
    """The fields that a number of the run may depend on, and its method's options, as values."""
    options = config.method_options
    given = dict(config.options)
    values = {
        key: value
        for key, value in config.to_dict().items()
        if key not in options.unread and key not in given
    }
    if "sparsity_weight" in values and not config.has_sparsity_loss:
        values = {key: value for key, value in values.items() if key not in _OF_SPARSITY}
        values["sparsity_weight"] = 0.0
    if config.trunk not in _TRUNKS_WITH_A_WIDTH:
        values.pop("trunk_width", None)  # a method may not read it in the first place
    own = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    return {**values, **{f"{config.method}.{name}": plain(own[name]) for name in own}}


def identity(config: "TrainConfig") -> dict[str, Any]:
    """What names a run: the schema, and the fields that set it apart from the defaults.

    Examples
    --------
    >>> TrainConfig(seed=3, sparsity_norm="l2").identity()
    {'schema': 1, 'seed': 3, 'sparsity_norm': 'l2'}
    >>> TrainConfig(seed=3, sparsity_norm="l2", mask_probability=0).identity()
    {'schema': 1, 'seed': 3, 'sparsity_weight': 0.0}
    """
    defaults, given = type(config)().to_dict(), dict(config.options)
    changed = {
        key: value
        for key, value in params(config).items()
        if (value != defaults[key] if key in defaults else key in given)
    }
    return {"schema": SCHEMA, **changed}


def digest(values: Mapping[str, Any]) -> str:
    """Twelve hex digits of SHA-256 over the canonical JSON of plain values."""
    canonical = json.dumps(dict(values), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
