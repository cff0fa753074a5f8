"""A tree of soft tests of single levels, which grows in place.

Shape letters: B samples, N features, K classes, M nodes there is room for, L leaves.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

Counts = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.int64]


class StampTree(nn.Module):
    """Decision stamps with a sigmoid each, whose leaves mix (section 6.2).

    A node goes right with probability sigmoid((v_j - t - 1/2) / T), where v_j is the level that it
    tests; t and log T are trained, and so are the logits of the leaves' classes. The tree begins as
    one leaf. There is room for all nodes from the start, so that optimizers need not be told of
    growth, and its shape lies in buffers, so that weights alone give the tree again.

    Parameters
    ----------
    num_classes
        K.
    max_leaves
        It has room for so many.

    Examples
    --------
    >>> tree = StampTree(num_classes=2, max_leaves=4)
    >>> tree.split(0, feature=1, threshold=4, left_K=np.array([3.0, 0]), right_K=np.array([0, 3.0]))
    >>> tree(torch.tensor([[0.0, 2.0], [0.0, 7.0]])).argmax(1)
    tensor([0, 1])
    """

    feature_M: Tensor
    left_M: Tensor
    depth_M: Tensor
    num_nodes: Tensor

    weights: Mapping[str, float] = MappingProxyType({"label": 1.0})
    """Of `losses`."""

    def __init__(self, *, num_classes: int, max_leaves: int) -> None:
        super().__init__()
        room = 2 * max_leaves - 1
        self.max_leaves = max_leaves
        self.register_buffer("feature_M", torch.zeros(room, dtype=torch.int64))
        # The right child is the next; 0, the root, is nobody's child and so stands for a leaf.
        self.register_buffer("left_M", torch.zeros(room, dtype=torch.int64))
        self.register_buffer("depth_M", torch.zeros(room, dtype=torch.int64))
        self.register_buffer("num_nodes", torch.ones((), dtype=torch.int64))
        self.threshold_M = nn.Parameter(torch.zeros(room))
        self.log_temperature_M = nn.Parameter(torch.zeros(room))
        self.leaf_logits_MK = nn.Parameter(torch.zeros(room, num_classes))

    @property
    def num_leaves(self) -> int:
        return (int(self.num_nodes) + 1) // 2

    def leaves(self) -> list[int]:
        """Node numbers of the leaves, ascending."""
        left_M = self.left_M[: int(self.num_nodes)]
        found: list[int] = (left_M == 0).nonzero().flatten().tolist()
        return found

    def depth(self, node: int) -> int:
        """Tests above a node."""
        return int(self.depth_M[node])

    def split(
        self, leaf: int, *, feature: int, threshold: int, left_K: Counts, right_K: Counts
    ) -> int:
        """Make a leaf a test, and return its left child's number; the right child's is the next.

        Parameters
        ----------
        leaf
            Of `leaves()`; there must be room for one more.
        feature, threshold
            Levels above the threshold go right.
        left_K, right_K
            Samples of each class that go there. The new leaves' logits are
            log((N_k + 1) / (N + K)).

        Raises
        ------
        ValueError
            If the node is no leaf, or there is no room.
        """
        if leaf not in self.leaves() or self.num_leaves == self.max_leaves:
            raise ValueError(f"Node {leaf} is no leaf, or all {self.max_leaves} leaves are there.")
        left = int(self.num_nodes)
        self.feature_M[leaf] = feature
        self.left_M[leaf] = left
        self.depth_M[left : left + 2] = self.depth_M[leaf] + 1
        self.num_nodes += 2
        with torch.no_grad():
            self.threshold_M[leaf] = threshold
            for child, counts_K in ((left, left_K), (left + 1, right_K)):
                share_K = (counts_K + 1) / (counts_K.sum() + len(counts_K))
                self.leaf_logits_MK[child] = torch.from_numpy(np.log(share_K)).to(
                    self.leaf_logits_MK
                )
        return left

    def log_leaves(self, levels_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the leaves (B, L), and their node numbers (L,), from the root down.

        Parameters
        ----------
        levels_BN
            In a float dtype; gradients flow into the levels that are tested.
        """
        # The shape is small, and on the CPU it is looked at without waiting for a device.
        feature_M, left_M = self.feature_M.cpu().numpy(), self.left_M.cpu().numpy()
        nodes, reached_BJ = np.zeros(1, dtype=np.int64), torch.zeros_like(levels_BN[:, :1])
        done, done_nodes = [], []
        while len(nodes):
            is_leaf = left_M[nodes] == 0
            done.append(reached_BJ[:, _index(is_leaf, levels_BN)])
            done_nodes.append(nodes[is_leaf])
            nodes, reached_BJ = nodes[~is_leaf], reached_BJ[:, _index(~is_leaf, levels_BN)]
            z_BJ = self._logits(levels_BN, nodes, feature_M)
            reached_BJ = torch.cat(
                [
                    reached_BJ + functional.logsigmoid(-z_BJ),
                    reached_BJ + functional.logsigmoid(z_BJ),
                ],
                dim=1,
            )
            nodes = np.concatenate([left_M[nodes], left_M[nodes] + 1])
        leaves_L = torch.from_numpy(np.concatenate(done_nodes)).to(levels_BN.device)
        return torch.cat(done, dim=1), leaves_L

    def forward(self, levels_BN: Tensor) -> Tensor:
        """(B, K) Classes: the leaves' mixture."""
        log_paths_BL, leaves_L = self.log_leaves(levels_BN)
        mixed_BK: Tensor = log_paths_BL.exp() @ self.leaf_logits_MK[leaves_L].softmax(1)
        return mixed_BK

    def losses(self, levels_BN: Tensor, labels_B: Tensor, *, divisor: int) -> dict[str, Tensor]:
        """-log p(y) of the mixture, summed over the local batch and divided by `divisor`."""
        log_paths_BL, leaves_L = self.log_leaves(levels_BN)
        log_q_LK = functional.log_softmax(self.leaf_logits_MK[leaves_L], dim=1)
        log_p_B = torch.logsumexp(log_paths_BL + log_q_LK.T[labels_B], dim=1)
        return {"label": -log_p_B.sum() / divisor}

    def route(self, levels_BN: npt.NDArray[np.uint8]) -> Nodes:
        """(B,) The leaf that each sample reaches by sharp tests: right where v_j > t + 1/2."""
        feature_M, left_M = self.feature_M.cpu().numpy(), self.left_M.cpu().numpy()
        threshold_M = self.threshold_M.detach().cpu().numpy()
        rows = np.arange(len(levels_BN))
        node_B = np.zeros(len(levels_BN), dtype=np.int64)
        while (left_M[node_B] > 0).any():
            value_B = levels_BN[rows, feature_M[node_B]]
            goes_right_B = value_B - threshold_M[node_B] - np.float32(0.5) > 0
            node_B = np.where(left_M[node_B] > 0, left_M[node_B] + goes_right_B, node_B)
        return node_B

    def _logits(self, levels_BN: Tensor, nodes: Nodes, feature_M: Nodes) -> Tensor:
        tested = torch.from_numpy(feature_M[nodes]).to(levels_BN.device)
        index = torch.from_numpy(nodes).to(levels_BN.device)
        distance_BJ = levels_BN[:, tested] - self.threshold_M[index] - 0.5
        return distance_BJ * torch.exp(-self.log_temperature_M[index])


def _index(is_kept: npt.NDArray[np.bool_], like: Tensor) -> Tensor:
    return torch.from_numpy(np.flatnonzero(is_kept)).to(like.device)
