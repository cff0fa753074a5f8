"""The losses of PIP-Net (Nauta et al., 2023, section 4), as its code has them.

Shape letters: B samples, N prototypes, H height, W width, K classes.
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.distributed import global_sum, world_size

_EPSILON = 1e-7


def align_loss(first_BNHW: Tensor, second_BNHW: Tensor, *, divisor: int) -> Tensor:
    """-log of the inner product of two views' prototypes in each cell, each view towards the other.

    Each view has the other as a fixed target, and the two are averaged.

    Parameters
    ----------
    first_BNHW, second_BNHW
        Probabilities of the prototypes in each cell.
    divisor
        Size of the global batch; cells are averaged here.

    Returns
    -------
    Tensor
        Scalar, in nats.
    """
    towards_second = (first_BNHW * second_BNHW.detach()).sum(1)
    towards_first = (second_BNHW * first_BNHW.detach()).sum(1)
    cells_2BHW = torch.stack([towards_second, towards_first])
    num_cells = cells_2BHW[0, 0].numel()
    return -(cells_2BHW + _EPSILON).log().sum() / (2 * num_cells * divisor)


def tanh_loss(presence_BN: Tensor) -> Tensor:
    """-mean over prototypes of log tanh of how often the batch has them: each is to occur.

    Workers see the global batch, and each returns its share.

    Examples
    --------
    >>> tanh_loss(torch.tensor([[0.5, 0.0], [0.5, 1.0]])).item()  # -log tanh 1
    0.2723412...
    """
    total_N = global_sum(presence_BN.sum(0))
    return -(total_N.tanh() + _EPSILON).log().mean() / world_size()


def class_scores(presence_BN: Tensor, weight_KN: Tensor, *, exponent: float) -> Tensor:
    """(B, K) log(1 + s^m) of the scores s, sums of weights that are not negative.

    Their softmax is what the class loss and the probabilities are made of.
    """
    return functional.linear(presence_BN, weight_KN).pow(exponent).log1p()
