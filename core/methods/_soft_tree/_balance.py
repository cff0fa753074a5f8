"""The penalty that keeps a soft tree's tests from sending everything one way.

Shape letters: B samples, I inner nodes in heap order, J nodes of one depth.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.distributed import global_sum, world_size

_EDGE = 1e-6
"""alpha is kept so far from 0 and 1, which bounds the penalty at 7 a node."""

_UNREACHED = 1e-12
"""Below this much reach, the share of it that goes right says nothing."""


class BalancePenalty(nn.Module):
    """Cross-entropy of each test's share of samples with one half (Frosst & Hinton, 2017).

    C = -sum_i 2^(-depth_i) 1/2 [log alpha_i + log(1 - alpha_i)], the root at depth 0, where alpha_i
    is the share of what reaches node i that goes right. Deep nodes are reached by few samples of a
    batch, so with `running` the sums above and below the fraction decay over batches by
    1 - 2^(-depth): the root sees the batch alone, a node at depth l about 2^l batches. The batch
    carries the gradient, the history does not; it is scaled by the batches in the window, since one
    batch has but 2^-l of the sums, and the weight above would count twice.

    Several workers see the global batch. Each returns its share of C, which add up to it.

    Parameters
    ----------
    depth
        d of the tree.
    running
        Whether earlier batches count.

    Examples
    --------
    >>> penalty = BalancePenalty(depth=8)
    >>> 0.1 * penalty(torch.zeros(4, 255), log_paths(torch.zeros(4, 255))).item()  # 0.8 ln 2
    0.5545177...
    """

    weight_I: Tensor
    decay_I: Tensor
    right_I: Tensor
    through_I: Tensor
    window_I: Tensor

    def __init__(self, *, depth: int, running: bool = True) -> None:
        super().__init__()
        depths = [level for level in range(depth) for _ in range(2**level)]
        weight_I = torch.tensor([2.0**-level for level in depths])
        self.register_buffer("weight_I", weight_I, persistent=False)
        decay_I = 1 - weight_I if running else torch.zeros_like(weight_I)
        self.register_buffer("decay_I", decay_I, persistent=False)
        self.register_buffer("right_I", torch.zeros(len(depths)))
        self.register_buffer("through_I", torch.zeros(len(depths)))
        self.register_buffer("window_I", torch.zeros(len(depths)))

    def forward(self, logits_BI: Tensor, log_paths: list[Tensor]) -> Tensor:
        """This worker's share of C; the running sums move.

        Parameters
        ----------
        logits_BI
            z of each inner node.
        log_paths
            Log-probabilities of the nodes, depth by depth, leaves included.

        Returns
        -------
        Tensor
            Scalar, in nats.
        """
        log_reach_BI = torch.cat(log_paths[:-1], dim=1)
        reach_BI = log_reach_BI.exp()
        right_BI = (log_reach_BI + functional.logsigmoid(logits_BI)).exp()
        sums_2I = global_sum(torch.stack([right_BI.sum(0), reach_BI.sum(0)]))
        self.window_I.copy_(self.decay_I * self.window_I + 1)
        # The value stays; the gradient is that of a window of such batches.
        sums_2I = sums_2I.detach() + self.window_I * (sums_2I - sums_2I.detach())
        right_I = self.decay_I * self.right_I + sums_2I[0]
        through_I = self.decay_I * self.through_I + sums_2I[1]
        self.right_I.copy_(right_I.detach())
        self.through_I.copy_(through_I.detach())
        return (self.weight_I * _penalty(right_I, through_I)).sum() / world_size()


def _penalty(right_I: Tensor, through_I: Tensor) -> Tensor:
    """Of each node; for one that nothing reaches it is ln 2, the least that it can be."""
    is_reached = through_I > _UNREACHED
    alpha_I = right_I / torch.where(is_reached, through_I, 1.0)
    alpha_I = alpha_I.clamp(_EDGE, 1 - _EDGE)
    crossed_I = -0.5 * (alpha_I.log() + torch.log1p(-alpha_I))
    return torch.where(is_reached, crossed_I, math.log(2))
