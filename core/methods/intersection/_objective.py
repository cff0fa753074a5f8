"""The losses of one batch, weighted and put together as Eq. 6 and Eq. 7 say."""

import torch
from torch import Tensor

from core.config import TrainConfig
from core.data.loader import Batch
from core.losses import label_loss, sparsity_loss, tree_loss


class Objective:
    """The losses of one batch. Shape letters: B samples, K classes, N features."""

    def __init__(
        self, config: TrainConfig, batch: Batch, device: torch.device, *, num_train: int
    ) -> None:
        self._config = config
        self._labels_B = batch.labels_B.to(device)
        self._size = batch.global_size
        self._sparsity_divisor = (
            num_train if config.sparsity_divisor == "dataset" else batch.global_size
        )

    def label_loss(self, logits_BK: Tensor) -> Tensor:
        return label_loss(logits_BK, self._labels_B, divisor=self._size)

    def tree_loss(self, logits_BK: Tensor, tree_probabilities_BK: Tensor) -> Tensor:
        return tree_loss(logits_BK, tree_probabilities_BK, divisor=self._size)

    def eq6(self, logits_BK: Tensor, tree_probabilities_BK: Tensor) -> Tensor:
        label = self._config.label_weight * self.label_loss(logits_BK)
        return label + self._config.tree_weight * self.tree_loss(logits_BK, tree_probabilities_BK)

    def eq7(self, levels_BN: Tensor, mask_N: Tensor) -> Tensor:
        return sparsity_loss(
            levels_BN, mask_N, norm=self._config.sparsity_norm, divisor=self._sparsity_divisor
        )
