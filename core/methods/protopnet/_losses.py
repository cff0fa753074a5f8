"""The losses beside the labels' (Chen et al., 2019, section 2.2).

Shape letters: B samples, N prototypes, K classes.
"""

import torch
from torch import Tensor

from core.methods.protopnet._prototypes import own_classes


def cluster_loss(
    distances_BN: Tensor, labels_B: Tensor, class_of_N: Tensor, *, divisor: int
) -> Tensor:
    """Distance to the nearest prototype of the own class: sum over the batch, by the divisor.

    Parameters
    ----------
    distances_BN
        Squared distances of each prototype to the nearest cell.
    labels_B, class_of_N
        Classes of samples and prototypes, int64. Each class has a prototype.
    divisor
        Size of the global batch.
    """
    is_own_BN = labels_B[:, None] == class_of_N
    return distances_BN.masked_fill(~is_own_BN, torch.inf).amin(1).sum() / divisor


def separation_loss(
    distances_BN: Tensor, labels_B: Tensor, class_of_N: Tensor, *, divisor: int
) -> Tensor:
    """Distance to the nearest prototype of another class, which training is to make large.

    It is positive here and has its minus sign in the total. Arguments as of `cluster_loss`.
    """
    is_own_BN = labels_B[:, None] == class_of_N
    return distances_BN.masked_fill(is_own_BN, torch.inf).amin(1).sum() / divisor


def wrong_class_norm(weight_KN: Tensor, class_of_N: Tensor) -> Tensor:
    """L1 norm of the last layer's connections from prototypes to classes not their own."""
    return weight_KN.masked_fill(own_classes(class_of_N, len(weight_KN)), 0).abs().sum()
