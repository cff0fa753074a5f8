"""Which configs are the same run, and the hash that names it.

A run is known by what differs from the defaults, after what cannot matter is left out. A test
freezes the defaults, and for every field that is left out a run shows that it does not matter.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.config._train_config import TrainConfig

SCHEMA = 1
"""Raised when a default changes its value, or a value its meaning: older runs are then others."""

_OF_SPARSITY = ("sparsity_weight", "mask_probability", "sparsity_norm", "sparsity_divisor")
_TRUNKS_WITH_A_WIDTH = ("conv", "mlp")


def params(config: "TrainConfig") -> dict[str, Any]:
    """The fields that a number of the run may depend on, with their values."""
    values = config.to_dict()
    if not config.has_sparsity_loss:
        values = {key: value for key, value in values.items() if key not in _OF_SPARSITY}
        values["sparsity_weight"] = 0.0
    if config.trunk not in _TRUNKS_WITH_A_WIDTH:
        del values["trunk_width"]
    return values


def identity(config: "TrainConfig") -> dict[str, Any]:
    """What names a run: the schema, and the fields that set it apart from the defaults.

    Examples
    --------
    >>> TrainConfig(seed=3, sparsity_norm="l2").identity()
    {'schema': 1, 'seed': 3, 'sparsity_norm': 'l2'}
    >>> TrainConfig(seed=3, sparsity_norm="l2", mask_probability=0).identity()
    {'schema': 1, 'seed': 3, 'sparsity_weight': 0.0}
    """
    defaults = type(config)().to_dict()
    changed = {key: value for key, value in params(config).items() if value != defaults[key]}
    return {"schema": SCHEMA, **changed}


def digest(values: Mapping[str, Any]) -> str:
    """Twelve hex digits of SHA-256 over the canonical JSON of plain values."""
    canonical = json.dumps(dict(values), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
