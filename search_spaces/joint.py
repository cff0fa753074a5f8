"""The joint space: loss weights, mask, norm, feature dimension and bits (sections 5 and 6).

Every key is the name of a field of the training config; a test holds the two together.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

SPACE: Mapping[str, BaseDistribution] = MappingProxyType(
    {
        # Only the ratios of the three weights matter, up to the step size: a decade each way.
        "label_weight": FloatDistribution(0.2, 20.0, log=True),
        "tree_weight": FloatDistribution(0.1, 10.0, log=True),
        # Eq. 7 sums over n features of up to 2^r - 1, so its useful scale is far below 1.
        "sparsity_weight": FloatDistribution(1e-5, 1e-1, log=True),
        "mask_probability": FloatDistribution(0.0, 1.0),
        "sparsity_norm": CategoricalDistribution(("l1", "l2")),
        # The paper's Fig. 2 compares 256, 512 and 1024; small images need less.
        "feature_dim": CategoricalDistribution((64, 128, 256, 512, 1024)),
        # The paper's Fig. 2 compares 2, 4 and 8.
        "num_bits": IntDistribution(2, 8),
    }
)

PAPER_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "label_weight": 2.0,
        "tree_weight": 1.0,
        "sparsity_weight": 0.001,
        "mask_probability": 0.5,
        "sparsity_norm": "l1",
        "feature_dim": 1024,
        "num_bits": 4,
    }
)
"""The paper's setting (section 6), the first point of a search."""
