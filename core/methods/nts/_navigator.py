"""The navigator: how informative each anchor is, and which it proposes.

Shape letters: B samples, C channels, H height, W width, A anchors, M proposals.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.methods.nts._anchors import RATIOS, SCALES

_WIDTH = 128
_MOST_OVERLAP = 0.25


class Proposals(NamedTuple):
    """What the navigator chose, best first."""

    scores_BM: Tensor
    anchors_BM: Tensor
    """int64, which of the A."""


class Navigator(nn.Module):
    """Three levels of convolutions on the trunk's map, and scores of each level's anchors.

    Parameters
    ----------
    channels
        C of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = (channels, _WIDTH, _WIDTH)
        self.levels = nn.ModuleList(
            nn.Conv2d(size, _WIDTH, 3, stride=1 if index == 0 else 2, padding=1)
            for index, size in enumerate(inputs)
        )
        self.scores = nn.ModuleList(
            nn.Conv2d(_WIDTH, len(scales) * len(RATIOS), 1) for scales in SCALES
        )

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """(B, A) Scores, in the order of `anchors_for`."""
        x_BCHW, scores = map_BCHW, []
        for level, score in zip(self.levels, self.scores, strict=True):
            x_BCHW = functional.relu(level(x_BCHW))
            scores.append(score(x_BCHW).flatten(1))
        return torch.cat(scores, dim=1)


def propose(scores_BA: Tensor, overlap_AA: Tensor, count: int) -> Proposals:
    """The best anchors that overlap little: greedy non-maximum suppression, all images at once.

    An anchor is taken if its overlap with each better one that was taken is below 1/4. Of equal
    scores the first goes before. Where no anchor is left, the best is taken again.

    Parameters
    ----------
    scores_BA
        Gradients flow through the scores of what is taken.
    overlap_AA
        Of `Anchors`.
    count
        M.
    """
    open_BA = scores_BA.detach()
    taken: list[Tensor] = []
    for _ in range(count):
        best_B = open_BA.argmax(1)
        if taken:
            is_over_B = open_BA.amax(1).isneginf()
            best_B = torch.where(is_over_B, taken[0], best_B)
        taken.append(best_B)
        open_BA = torch.where(overlap_AA[best_B] >= _MOST_OVERLAP, -torch.inf, open_BA)
    anchors_BM = torch.stack(taken, dim=1)
    return Proposals(scores_BA.gather(1, anchors_BM), anchors_BM)


def rank_loss(scores_BM: Tensor, errors_BM: Tensor, *, divisor: int) -> Tensor:
    """Hinge on each pair of an image's parts: the one of less error must score higher, by 1.

    sum_i sum_j [c_j > c_i] max(0, 1 - s_i + s_j), summed over the images (Yang et al., 2018).

    Parameters
    ----------
    scores_BM
        The navigator's.
    errors_BM
        The teacher's cross-entropy of each part; it says which pairs count, without gradient.
    divisor
        Size of the global batch.

    Examples
    --------
    >>> scores_BM, errors_BM = torch.tensor([[0.1, 0.2, 0.3]]), torch.tensor([[1.0, 2.0, 3.0]])
    >>> round(rank_loss(scores_BM, errors_BM, divisor=1).item(), 4)
    3.4
    """
    errors_BM = errors_BM.detach()
    counts_BMM = errors_BM[:, None, :] > errors_BM[:, :, None]
    hinge_BMM = (1 - scores_BM[:, :, None] + scores_BM[:, None, :]).clamp(min=0)
    return torch.where(counts_BMM, hinge_BMM, 0).sum() / divisor
