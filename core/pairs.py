"""S' of Alg. 1, the pairs of levels and network probabilities of the epoch so far, and T over it.

Shape letters: B rows of this worker's part of a batch, N rows of the whole batch, D features, K
classes, W workers, C bytes of a row: D levels, then K probabilities of four bytes each.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from core.config import TrainConfig
from core.distributed import world_size
from core.tree import DecisionTree, GrowingTree


class Pairs:
    """A growing table of pairs (F_q(x), G(F_q(x))), kept as they were computed.

    A batch adds few rows, so they are brought together: every worker gets those of all, in the
    order in which one process would have them, and grows the same tree on its CPU, bit for bit.

    Parameters
    ----------
    config
        Levels, depth and criterion of the tree.
    num_classes
        K.

    Examples
    --------
    >>> pairs = Pairs(TrainConfig(feature_dim=2, max_depth=1), num_classes=2)
    >>> pairs.add(torch.tensor([[0.0, 3.0], [9.0, 3.0]]), torch.eye(2))
    >>> pairs.tree_probabilities(torch.tensor([[1.0, 3.0]]))
    tensor([[0., 1.]], dtype=torch.float64)
    """

    def __init__(self, config: TrainConfig, *, num_classes: int) -> None:
        self._growing = GrowingTree(
            num_features=config.feature_dim,
            num_classes=num_classes,
            num_levels=config.num_levels,
            max_depth=config.max_depth,
            criterion=config.tree_criterion,
        )
        self._num_features = config.feature_dim
        self._rows: list[Tensor] = []

    def clear(self) -> None:
        """Forget all pairs (lines 4 and 5)."""
        self._growing.clear()
        self._rows.clear()

    def add(self, levels_BD: Tensor, probabilities_BK: Tensor) -> None:
        """Append the pairs of this worker's part of a batch, which may be empty (line 10).

        With several workers, all of them must call, each with its part.
        """
        rows_NC = gather_rows(_to_bytes(levels_BD, probabilities_BK)).cpu()
        if len(rows_NC):
            self._append(rows_NC)

    def rows(self) -> list[Tensor]:
        """All pairs so far as tables of bytes, for `extend`."""
        return list(self._rows)

    def extend(self, rows: Sequence[Tensor]) -> None:
        """Append the pairs that another table's `rows()` gave."""
        for rows_NC in rows:
            self._append(rows_NC)

    def tree_probabilities(self, levels_BD: Tensor) -> Tensor:
        """(B, K) float64 labels of T on all pairs so far (line 11), on the CPU."""
        return torch.from_numpy(self.tree().predict(_as_levels(levels_BD).cpu().numpy()))

    def tree(self) -> DecisionTree:
        """T on all pairs so far, of all workers."""
        return self._growing.tree()

    def _append(self, rows_NC: Tensor) -> None:
        num_features = self._num_features
        # A copy, since a float may not start at any byte.
        bytes_NC = rows_NC[:, num_features:].clone(memory_format=torch.contiguous_format)
        probabilities_NK = bytes_NC.view(torch.float32)
        self._growing.add(rows_NC[:, :num_features].numpy(), probabilities_NK.numpy())
        self._rows.append(rows_NC)


def gather_rows(rows_BC: Tensor) -> Tensor:
    """(N, C) Rows of all workers, worker after worker; shares may differ in length.

    This is the order of one process: `core.data.loader.BatchStream` cuts a batch into contiguous
    parts.
    """
    num_workers = world_size()
    if num_workers == 1:
        return rows_BC
    count = torch.tensor([len(rows_BC)], device=rows_BC.device)
    counts_W = [torch.empty_like(count) for _ in range(num_workers)]
    dist.all_gather(counts_W, count)
    lengths = torch.cat(counts_W).tolist()
    # A collective takes parts of one shape, so shorter ones are filled up.
    padded_BC = rows_BC.new_zeros(max(lengths), rows_BC.shape[1])
    padded_BC[: len(rows_BC)] = rows_BC
    parts = [torch.empty_like(padded_BC) for _ in lengths]
    dist.all_gather(parts, padded_BC)
    return torch.cat([part[:length] for part, length in zip(parts, lengths, strict=True)])


def _to_bytes(levels_BD: Tensor, probabilities_BK: Tensor) -> Tensor:
    """(B, C) One table, so that a batch is one message to the other workers and the CPU."""
    bytes_BC = probabilities_BK.detach().float().contiguous().view(torch.uint8)
    return torch.cat([_as_levels(levels_BD), bytes_BC], dim=1)


def _as_levels(levels_BD: Tensor) -> Tensor:
    return levels_BD.detach().to(torch.uint8)
