"""F's trunks: from images to a vector of pooled features."""

from core.backbones._build import build_trunk, check_backbone, check_maps, check_trunk, trunk_of
from core.backbones._compile import compile_trunk
from core.backbones._conv import ConvTrunk, norm_layer
from core.backbones._freeze import freeze_stages, keep_frozen
from core.backbones._micro import forward_in_parts
from core.backbones._pmg import BRANCH_FEATURES, PMGTrunk
from core.backbones._timm import TimmTrunk
from core.backbones._trunk import Trunk
from core.backbones._weights import LoadedWeights, pin_weights

__all__ = [
    "BRANCH_FEATURES",
    "ConvTrunk",
    "LoadedWeights",
    "PMGTrunk",
    "TimmTrunk",
    "Trunk",
    "build_trunk",
    "check_backbone",
    "check_maps",
    "check_trunk",
    "compile_trunk",
    "forward_in_parts",
    "freeze_stages",
    "keep_frozen",
    "norm_layer",
    "pin_weights",
    "trunk_of",
]
