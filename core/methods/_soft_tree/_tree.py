"""The tree itself: tests on all features at once, and a distribution of classes at each leaf.

Shape letters: B samples, N features, K classes, I inner nodes, L leaves.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods._soft_tree._paths import log_paths


class SoftTree(nn.Module):
    """A full binary tree of a given depth (Frosst & Hinton, 2017, as we recall it).

    An inner node goes right with probability sigmoid(beta (w x + b)). A leaf holds logits of the
    classes. beta, the inverse temperature, says no more than the size of w could, but a step of
    gradient descent turns a test by beta^2 as much: where all tests begin near one half, all leaves
    get all samples, and learning is slow.

    Parameters
    ----------
    num_features
        N.
    num_classes
        K.
    depth
        d, at least 1: 2^d leaves.
    inverse_temperature
        beta, above 0.

    Examples
    --------
    >>> tree = SoftTree(num_features=3, num_classes=2, depth=4)
    >>> log_leaves_BL = tree.log_paths(torch.rand(5, 3))[-1]
    >>> log_leaves_BL.shape, tree.mixture(log_leaves_BL.exp()).shape
    (torch.Size([5, 16]), torch.Size([5, 2]))
    """

    def __init__(
        self,
        *,
        num_features: int,
        num_classes: int,
        depth: int,
        inverse_temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.inverse_temperature = inverse_temperature
        self.tests = nn.Linear(num_features, 2**depth - 1)
        # Leaves that are alike would give the tests no gradient in the first step.
        self.leaf_logits_LK = nn.Parameter(torch.randn(2**depth, num_classes))

    def logits(self, features_BN: Tensor) -> Tensor:
        """(B, I) z of each inner node in heap order: sigmoid(z) is the probability of right."""
        z_BI: Tensor = self.inverse_temperature * self.tests(features_BN)
        return z_BI

    def log_paths(self, features_BN: Tensor) -> list[Tensor]:
        """Log-probabilities of the nodes, depth by depth; see `log_paths`."""
        return log_paths(self.logits(features_BN))

    def expected_loss(self, log_leaves_BL: Tensor, labels_B: Tensor, *, divisor: int) -> Tensor:
        """Cross-entropy of the leaves, expected over the paths: -sum_l P_l(x) log Q_l(y).

        The paper has a logarithm around it, which would be that of a negative number.

        Parameters
        ----------
        log_leaves_BL
            The last of `log_paths`.
        labels_B
            int64.
        divisor
            Size of the global batch.

        Returns
        -------
        Tensor
            Scalar, in nats.
        """
        log_q_BL = functional.log_softmax(self.leaf_logits_LK, dim=1).T[labels_B]
        return -(log_leaves_BL.exp() * log_q_BL).sum() / divisor

    def mixture_loss(self, log_leaves_BL: Tensor, labels_B: Tensor, *, divisor: int) -> Tensor:
        """Cross-entropy of the mixture: -log sum_l P_l(x) Q_l(y); never above `expected_loss`."""
        log_q_BL = functional.log_softmax(self.leaf_logits_LK, dim=1).T[labels_B]
        return -torch.logsumexp(log_leaves_BL + log_q_BL, dim=1).sum() / divisor

    def best_leaf(self, paths_BL: Tensor) -> Tensor:
        """(B, K) Classes of the most probable leaf, the first one in a tie."""
        q_LK = self.leaf_logits_LK.softmax(1)
        return q_LK[paths_BL.argmax(1)]

    def mixture(self, paths_BL: Tensor) -> Tensor:
        """(B, K) Mean of the leaves' classes by weights that need not add up to 1.

        Where all weights are 0, as quantized probabilities may be, all leaves count alike.
        """
        total_B1 = paths_BL.sum(1, keepdim=True)
        even = 1 / paths_BL.shape[1]
        weights_BL = torch.where(total_B1 > 0, paths_BL / total_B1, even)
        mixed_BK: Tensor = weights_BL @ self.leaf_logits_LK.softmax(1)
        return mixed_BK


def small_depth(num_classes: int) -> int:
    """Depth for a small network: two more than a leaf for each class takes, at least 4.

    Examples
    --------
    >>> small_depth(2), small_depth(20), small_depth(200)
    (4, 7, 10)
    """
    return max(4, math.ceil(math.log2(num_classes)) + 2)
