"""The rows of the paper's Table 1, their other readings, and newer rows, as changes of a config.

A row is a config, not always a method: the paper's own rows are one method with other weights, and
a row whose text can be read in two ways has a name for each.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_SCRATCH: Mapping[str, Any] = MappingProxyType(
    {
        "trunk": "conv",
        "weights": None,
        "weights_sha256": None,
        "frozen_stages": 0,
        "trunk_learning_rate_scale": 1.0,
    }
)
"""The small conv net from random weights, all of it at the step size of new layers."""

_ROWS: Mapping[str, Mapping[str, Any]] = {
    "sdt": {"method": "sdt"},
    "sdt:leaves": {"method": "sdt", "sdt.features": "leaves", "sdt.depth": 10},
    "sdt:scratch": {"method": "sdt", **_SCRATCH, "sdt.depth": None},
    "ant": {"method": "ant"},
    "ant:routed": {"method": "ant", "ant.features": "routed"},
    "ant:scratch": {"method": "ant", **_SCRATCH},
    "wsdan": {"method": "wsdan"},
    "wsdan:linear": {"method": "wsdan", "wsdan.features": "linear"},
    "dfl": {"method": "dfl"},
    "dfl:joint": {"method": "dfl", "dfl.features": "joint"},
    "nts": {"method": "nts"},
    "apinet": {"method": "apinet"},
    "protopnet": {"method": "protopnet"},
    "protopnet:pooled": {"method": "protopnet", "protopnet.features": "pooled"},
    "region_grouping": {"method": "region_grouping"},
    "region_grouping:image": {"method": "region_grouping", "region_grouping.inference": "image"},
    "region_grouping:u-prior": {
        # What the paper's words, as we recall them, would be.
        "method": "region_grouping",
        "region_grouping.prior_alpha": 0.001,
    },
    "quantized": {"tree_weight": 0.0, "sparsity_weight": 0.0},
    "quantized+dt": {"method": "quantized_dt"},
    "quantized+dt:vfdt-2000": {
        # Domingos & Hulten (2000), as we recall it.
        "method": "quantized_dt",
        "quantized_dt.delta": 1e-7,
        "quantized_dt.tau": 0.05,
        "quantized_dt.min_samples": 200,
    },
    "quantized+sdt": {"method": "quantized_dt", "quantized_dt.structure": "full"},
    "quantized+l1": {"tree_weight": 0.0, "sparsity_norm": "l1"},
    "intersection": {"sparsity_norm": "l1"},
    # Newer than the paper.
    "pipnet": {"method": "pipnet"},
    "diversity": {"method": "diversity"},
    "sae": {"method": "sae"},
}

ROWS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {name: MappingProxyType(dict(changes)) for name, changes in _ROWS.items()}
)
"""By name, what a row changes of a data set's preset; ``base.replace(ROWS[name])`` is its config.

A name before a colon is the row as the table shows it, one after it another reading or trunk.
"""
