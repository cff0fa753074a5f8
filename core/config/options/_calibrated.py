"""What the options of methods that are quantized after training share."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from core.config.options._base import MethodOptions

OF_ALG_1 = frozenset(
    {
        "quantizer_range",
        "hidden_dim",
        "label_weight",
        "tree_weight",
        "sparsity_weight",
        "mask_probability",
        "sparsity_norm",
        "sparsity_divisor",
        "max_depth",
        "tree_criterion",
        "update",
    }
)
"""Fields that Alg. 1's own quantizer, losses, G and T read."""


@dataclass(frozen=True, kw_only=True)
class CalibratedOptions(MethodOptions):
    """Options of a method whose features are quantized once the network is trained (section 6).

    A subclass that reads one of `unread` after all takes it out of its own.
    """

    unread: ClassVar[frozenset[str]] = OF_ALG_1

    calibrate: Literal["minival", "train"] = "minival"
    """The split whose images fix the quantizer's range, without their labels' and attributes'
    help. Prototypes that are copied from training patches stretch the range of "train"."""
