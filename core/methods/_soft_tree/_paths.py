"""Probabilities of the paths of a full binary tree.

Shape letters: B samples, I inner nodes (2^d - 1, in heap order), J nodes of one depth, L leaves.
"""

import torch
from torch import Tensor
from torch.nn import functional


def log_paths(logits_BI: Tensor) -> list[Tensor]:
    """Log-probability of reaching every node, depth by depth.

    Products of many probabilities underflow, and the logarithm of 1 - p is NaN where p rounds to 1,
    so everything stays in logarithms: log p = logsigmoid(z), log(1 - p) = logsigmoid(-z).

    Parameters
    ----------
    logits_BI
        z of each inner node in heap order; sigmoid(z) is the probability of going right.

    Returns
    -------
    list of Tensor
        For each depth from 0 to d, (B, 2^depth) from left to right; the last are the leaves'.

    Examples
    --------
    >>> [level.exp().tolist() for level in log_paths(torch.zeros(1, 1))]
    [[[1.0]], [[0.5, 0.5]]]
    """
    levels = [torch.zeros_like(logits_BI[:, :1])]
    start = 0
    while start < logits_BI.shape[1]:
        reached_BJ = levels[-1]
        z_BJ = logits_BI[:, start : start + reached_BJ.shape[1]]
        start += reached_BJ.shape[1]
        left_BJ = reached_BJ + functional.logsigmoid(-z_BJ)
        right_BJ = reached_BJ + functional.logsigmoid(z_BJ)
        levels.append(torch.stack([left_BJ, right_BJ], dim=2).flatten(1))
    return levels
