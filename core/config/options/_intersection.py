"""Options of the paper's own method."""

from dataclasses import dataclass
from typing import ClassVar

from core.config.options._base import MethodOptions


@dataclass(frozen=True, kw_only=True)
class IntersectionOptions(MethodOptions):
    """None beside TrainConfig's fields, which are the paper's.

    The quantized network of Table 1, and the one with the sparsity loss, are this method with the
    weights of the other losses at 0.
    """

    method: ClassVar[str] = "intersection"
