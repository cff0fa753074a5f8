"""S' of Alg. 1, the pairs of levels and network probabilities of the epoch so far, and T over it.

Shape letters: B rows of a batch, D features, K classes.
"""

from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from core.config import TrainConfig
from core.distributed import world_size
from core.tree import DecisionTree, GrowingTree
from core.tree.tensors import TensorTree, fit_tensors


class Pairs(Protocol):
    """A growing table of pairs (F_q(x), G(F_q(x))), kept as they were computed."""

    def clear(self) -> None:
        """Forget all pairs (lines 4 and 5)."""

    def add(self, levels_BD: Tensor, probabilities_BK: Tensor) -> None:
        """Append the pairs of this worker's part of a batch (line 10)."""

    def tree_probabilities(self, levels_BD: Tensor) -> Tensor:
        """(B, K) float64 labels that T, grown on all pairs so far (line 11), gives to levels."""

    def tree(self) -> DecisionTree:
        """T on all pairs so far, of all workers."""


def make_pairs(config: TrainConfig, *, num_classes: int, device: torch.device) -> Pairs:
    """Pairs that suit the place where a run trains; every kind grows the same trees."""
    if device.type == "cpu" and world_size() == 1:
        return LocalPairs(config, num_classes=num_classes)
    return TensorPairs(config, num_classes=num_classes, device=device)


class LocalPairs:
    """Pairs of one process on the CPU: T is brought up to date rather than grown anew."""

    def __init__(self, config: TrainConfig, *, num_classes: int) -> None:
        self._growing = GrowingTree(
            num_features=config.feature_dim,
            num_classes=num_classes,
            num_levels=config.num_levels,
            max_depth=config.max_depth,
            criterion=config.tree_criterion,
        )

    def clear(self) -> None:
        self._growing.clear()

    def add(self, levels_BD: Tensor, probabilities_BK: Tensor) -> None:
        self._growing.add(_bytes(levels_BD).numpy(), probabilities_BK.numpy())

    def tree_probabilities(self, levels_BD: Tensor) -> Tensor:
        return torch.from_numpy(self.tree().predict(_bytes(levels_BD).numpy()))

    def tree(self) -> DecisionTree:
        return self._growing.tree()


class TensorPairs:
    """Pairs that stay on their device and with their worker; T's histograms are summed over all."""

    def __init__(self, config: TrainConfig, *, num_classes: int, device: torch.device) -> None:
        self._config = config
        self._empty = (
            torch.zeros((0, config.feature_dim), dtype=torch.uint8, device=device),
            torch.zeros((0, num_classes), device=device),
        )
        self._group = dist.group.WORLD if world_size() > 1 else None
        self.clear()

    def clear(self) -> None:
        self._levels = [self._empty[0]]
        self._probabilities = [self._empty[1]]

    def add(self, levels_BD: Tensor, probabilities_BK: Tensor) -> None:
        self._levels.append(_bytes(levels_BD))
        self._probabilities.append(probabilities_BK.float())

    def tree_probabilities(self, levels_BD: Tensor) -> Tensor:
        return self._fit().predict(levels_BD)

    def tree(self) -> DecisionTree:
        return self._fit().to_tree()

    def _fit(self) -> TensorTree:
        return fit_tensors(
            torch.cat(self._levels),
            torch.cat(self._probabilities),
            num_levels=self._config.num_levels,
            max_depth=self._config.max_depth,
            criterion=self._config.tree_criterion,
            group=self._group,
        )


def _bytes(levels_BD: Tensor) -> Tensor:
    return levels_BD.detach().to(torch.uint8)
