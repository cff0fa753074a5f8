"""F, q and a differentiable tree.

Shape letters: B samples, C channels, H height, W width, N features.
"""

import torch
from torch import Tensor

from core.config import TrainConfig
from core.config.options import QuantizedDTOptions
from core.methods.quantized_dt._full import FullTree
from core.methods.quantized_dt._stamps import StampTree
from core.model import FeatureNetwork
from core.quantize import UniformQuantizer
from core.recognizer import Recognition


class QuantizedDTModel(FeatureNetwork):
    """F and q as in Alg. 1, with a tree in the place of G.

    Parameters
    ----------
    config, in_channels, num_classes, load_weights
        As in `FeatureNetwork`.
    options
        Of the tree.

    Raises
    ------
    ConfigError, DataError
        As `FeatureNetwork`.
    """

    tree: StampTree | FullTree

    def __init__(
        self,
        config: TrainConfig,
        options: QuantizedDTOptions,
        *,
        in_channels: int,
        num_classes: int,
        load_weights: bool = True,
    ) -> None:
        super().__init__(
            config, in_channels=in_channels, num_classes=num_classes, load_weights=load_weights
        )
        self.quantizer = UniformQuantizer(config.num_bits, config.quantizer_range)
        # Its own draws, which do not depend on the trunk's.
        torch.manual_seed(config.seed)
        if options.structure == "hoeffding":
            self.tree = StampTree(num_classes=num_classes, max_leaves=options.max_leaves)
        else:
            self.tree = FullTree(
                num_features=config.feature_dim,
                num_levels=config.num_levels,
                num_classes=num_classes,
                depth=options.max_depth,
                balance_weight=options.balance_weight,
                inverse_temperature=options.inverse_temperature,
            )

    def levels(self, images_BCHW: Tensor) -> Tensor:
        """F_q(x) = q(F(x)), shape (B, N), with Alg. 2's gradients."""
        levels_BN: Tensor = self.quantizer(self.features(images_BCHW))
        return levels_BN

    def recognize(self, images_BCHW: Tensor) -> Recognition:
        """Levels in a float dtype, and the tree's classes."""
        levels_BN = self.levels(images_BCHW)
        return Recognition(levels_BN, self.tree(levels_BN))
