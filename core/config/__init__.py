"""What determines a training run, and the identity that names it."""

from core.config._image_options import CROP_PADDING, Augmentation, ImageOptions
from core.config._options import OPTION_NAMES, OPTION_TYPES, option_default
from core.config._presets import PRESETS, own_preset, preset_config
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
    "CROP_PADDING",
    "FIELD_NAMES",
    "MAX_BITS",
    "OPTION_NAMES",
    "OPTION_TYPES",
    "PRESETS",
    "WEIGHTS_SUFFIXES",
    "Activation",
    "Augmentation",
    "ImageOptions",
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
    "option_default",
    "own_preset",
    "preset_config",
]
