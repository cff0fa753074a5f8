"""The centre loss: images of a class have like parts.

Shape letters: B samples, D features, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.distributed import sum_over_workers


class Centers(nn.Module):
    """A centre for each class, which follows its images.

    The loss is the mean over the batch of ||f - c / ||c|| ||^2, summed over the features, with the
    centre as it was before the batch; then c moves by `step` (f - c / ||c||) for each image of the
    class, two of one batch included. Centres begin at 0, where c / ||c|| is 0 as well. The paper,
    as we recall it, does not divide by the norm; every public code does.

    Several workers see the global batch, and keep equal centres.

    Parameters
    ----------
    num_classes, num_features
        K and D.
    step
        How far a centre goes.
    """

    centers_KD: Tensor

    def __init__(self, num_classes: int, num_features: int, *, step: float) -> None:
        super().__init__()
        self.step = step
        self.register_buffer("centers_KD", torch.zeros(num_classes, num_features))

    def forward(self, features_BD: Tensor, labels_B: Tensor, *, divisor: int) -> Tensor:
        """This worker's share of the loss; the centres stay.

        Parameters
        ----------
        features_BD
            Of norm 1.
        labels_B
            int64.
        divisor
            Size of the global batch.
        """
        return (features_BD - self._unit_BD(labels_B)).square().sum() / divisor

    @torch.no_grad()
    def move(self, features_BD: Tensor, labels_B: Tensor) -> None:
        """Let the centres follow a batch."""
        # A product and no index_add_, whose order of addition differs from run to run on a GPU.
        is_of_KB = functional.one_hot(labels_B, len(self.centers_KD)).T.to(features_BD)
        moves_KD = is_of_KB @ (features_BD - self._unit_BD(labels_B))
        self.centers_KD += self.step * sum_over_workers(moves_KD)

    def _unit_BD(self, labels_B: Tensor) -> Tensor:
        return functional.normalize(self.centers_KD[labels_B], dim=1)
