"""What determines a training run, and the identity that names it."""

from core.config._options import OPTION_NAMES, OPTION_TYPES
from core.config._train_config import (
    FIELD_NAMES,
    MAX_BITS,
    WEIGHTS_SUFFIXES,
    Activation,
    Partition,
    Precision,
    RangeMode,
    Schedule,
    SparsityDivisor,
    SparsityNorm,
    TrainConfig,
    TreeCriterion,
    TrunkNorm,
    UpdateOrder,
)

__all__ = [
    "FIELD_NAMES",
    "MAX_BITS",
    "OPTION_NAMES",
    "OPTION_TYPES",
    "WEIGHTS_SUFFIXES",
    "Activation",
    "Partition",
    "Precision",
    "RangeMode",
    "Schedule",
    "SparsityDivisor",
    "SparsityNorm",
    "TrainConfig",
    "TreeCriterion",
    "TrunkNorm",
    "UpdateOrder",
]
