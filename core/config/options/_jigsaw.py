"""Options of jigsaw pretraining."""

from dataclasses import dataclass
from typing import ClassVar

from core.config._checks import require
from core.config.options._base import MethodOptions


@dataclass(frozen=True, kw_only=True)
class JigsawOptions(MethodOptions):
    """How PMG's extractor is trained on pieces (Du et al., ECCV 2020, section 3.3)."""

    method: ClassVar[str] = "jigsaw"
    unread: ClassVar[frozenset[str]] = frozenset(
        {
            "feature_dim",
            "feature_activation",
            "num_bits",
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

    pieces_per_side: tuple[int, ...] = (8, 4, 2)
    """Pieces along a side of the image for the three stages, earliest first."""

    whole_weight: float = 2.0
    """What the loss of the last step, on whole images, is multiplied by, as in PMG's code."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            len(self.pieces_per_side) == 3 and min(self.pieces_per_side) >= 1,
            "`jigsaw.pieces_per_side` must be three numbers of at least 1, one a stage",
            list(self.pieces_per_side),
        )
        require(self.whole_weight > 0, "`jigsaw.whole_weight` must be above 0", self.whole_weight)
