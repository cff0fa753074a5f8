"""The losses of section 5: Eq. 6 and Eq. 7.

Shape letters: B samples of a batch, K classes, N features. Every loss is a sum over the local
batch divided by a given count, so that data-parallel workers, each passing the global batch
size, add up to the loss of one process.
"""

import torch
from torch import Tensor
from torch.nn import functional

from core.config import SparsityNorm
from core.errors import ConfigError


def label_loss(logits_BK: Tensor, labels_B: Tensor, *, divisor: int) -> Tensor:
    """Cross-entropy of the network with the labels: the first term of Eq. 6, unweighted.

    Parameters
    ----------
    logits_BK
        G's output before the softmax.
    labels_B
        Class indices, int64.
    divisor
        Size of the global batch.

    Returns
    -------
    Tensor
        Scalar, in nats.
    """
    return functional.cross_entropy(logits_BK, labels_B, reduction="sum") / divisor


def tree_loss(logits_BK: Tensor, tree_probabilities_BK: Tensor, *, divisor: int) -> Tensor:
    """Soft cross-entropy with the tree: the second term of Eq. 6, unweighted.

    It is ``-sum_k v_k log u_k`` with u the network's probabilities and v the tree's, averaged over
    the batch. The tree's probabilities are constants: no gradient flows into them.

    Returns
    -------
    Tensor
        Scalar, in nats.
    """
    log_u_BK = functional.log_softmax(logits_BK, dim=1)
    return -(tree_probabilities_BK.detach() * log_u_BK).sum() / divisor


def sparsity_loss(levels_BN: Tensor, mask_N: Tensor, *, norm: SparsityNorm, divisor: int) -> Tensor:
    """Masked norm of the levels: Eq. 7 without lambda_3.

    Parameters
    ----------
    levels_BN
        Raw levels, 0 to 2^r - 1, with their straight-through gradient.
    mask_N
        M, zeros and ones.
    norm
        "l1", or "l2" for the squared Euclidean norm.
    divisor
        m of Eq. 7: the global batch size, or the size of the training set.

    Raises
    ------
    ConfigError
        If `norm` is neither.

    Examples
    --------
    >>> levels = torch.tensor([[3.0, 1.0], [2.0, 5.0]])
    >>> sparsity_loss(levels, torch.tensor([1.0, 0.0]), norm="l2", divisor=2).item()
    6.5
    """
    masked_BN = levels_BN * mask_N
    if norm == "l1":
        return masked_BN.abs().sum() / divisor
    if norm == "l2":
        return masked_BN.square().sum() / divisor
    raise ConfigError(f"`norm` must be 'l1' or 'l2', but got {norm!r}.")


def bernoulli_mask(feature_dim: int, probability: float, *, generator: torch.Generator) -> Tensor:
    """Draw M of Eq. 7: a float vector of zeros and ones, on the CPU.

    Drawn on the CPU from a generator of its own, so that the mask of a step is the same on every
    device and every worker.
    """
    # torch.rand is in [0, 1): with p = 0 none is below, with p = 1 all are.
    return (torch.rand(feature_dim, generator=generator) < probability).float()
