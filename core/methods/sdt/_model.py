"""F and a soft decision tree on it.

Shape letters: B samples, C channels, H height, W width, N features, K classes, L leaves.
"""

import torch
from torch import Tensor

from core.config import TrainConfig
from core.config.options import SDTOptions
from core.methods._calibrated import Answer, CalibratedRecognizer
from core.methods._soft_tree import BalancePenalty, SoftTree, small_depth
from core.model import FeatureNetwork
from core.quantize import CalibratedQuantizer


class SDTModel(CalibratedRecognizer, FeatureNetwork):
    """Trunk, projection and tree; with option ``features="leaves"`` N is the number of leaves.

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

    def __init__(
        self,
        config: TrainConfig,
        options: SDTOptions,
        *,
        in_channels: int,
        num_classes: int,
        load_weights: bool = True,
    ) -> None:
        super().__init__(
            config, in_channels=in_channels, num_classes=num_classes, load_weights=load_weights
        )
        # Its own draws, which do not depend on the trunk's.
        torch.manual_seed(config.seed)
        depth = small_depth(num_classes) if options.depth is None else options.depth
        self.tree = SoftTree(
            num_features=config.feature_dim,
            num_classes=num_classes,
            depth=depth,
            inverse_temperature=options.inverse_temperature,
        )
        self.balance = BalancePenalty(depth=depth, running=options.running_balance)
        self.quantizer = CalibratedQuantizer(config.num_bits)
        self._reads_leaves = options.features == "leaves"
        self._predict = self.tree.mixture if options.inference == "mixture" else self.tree.best_leaf
        if self._reads_leaves:
            self.feature_dim = 2**depth

    def answer(self, images_BCHW: Tensor) -> Answer:
        """What the tree reads, or the probabilities of its paths."""
        features_BN = self.features(images_BCHW)
        if self._reads_leaves:
            return Answer(self._paths(features_BN), self._predict)
        return Answer(features_BN, lambda x_BN: self._predict(self._paths(x_BN)))

    def _paths(self, features_BN: Tensor) -> Tensor:
        """(B, L) Probability of each leaf."""
        return self.tree.log_paths(features_BN)[-1].exp()
