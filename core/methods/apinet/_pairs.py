"""Which images of a batch are compared, and what is asked of a pair.

Shape letters: B samples, N features, P pairs, K classes.
"""

import torch
from torch import Tensor
from torch.nn import functional


def pairs_of(features_BN: Tensor, labels_B: Tensor) -> tuple[Tensor, Tensor]:
    """Each image with the nearest of its class, and with the nearest of another class.

    By Euclidean distance, ties to the lowest index, without gradient. An image without a partner
    makes no such pair; in the public code it is paired with the first image of the batch.

    Parameters
    ----------
    features_BN
        Floating-point.
    labels_B
        Class indices.

    Returns
    -------
    (Tensor, Tensor)
        (P,) int64 each, the first and the second of each pair: up to B of one class, then up to B
        of two.

    Examples
    --------
    >>> features = torch.tensor([[0.0], [1.0], [3.0]])
    >>> pairs_of(features, torch.tensor([0, 0, 1]))
    (tensor([0, 1, 0, 1, 2]), tensor([1, 0, 2, 2, 1]))
    """
    # Differences, not the expanded form: images that are equal are at 0 exactly.
    distance_BB = torch.cdist(
        features_BN.detach(),
        features_BN.detach(),
        compute_mode="donot_use_mm_for_euclid_dist",
    )
    is_same_BB = labels_B[:, None] == labels_B
    is_self_BB = torch.eye(len(labels_B), dtype=torch.bool, device=labels_B.device)
    same = _nearest(distance_BB, is_same_BB & ~is_self_BB)
    other = _nearest(distance_BB, ~is_same_BB)
    return torch.cat([same[0], other[0]]), torch.cat([same[1], other[1]])


def rank_loss(
    own_probability: Tensor, other_probability: Tensor, *, margin: float, divisor: int
) -> Tensor:
    """Hinge on how much more probable its label is by an image's own gate than by its partner's.

    Parameters
    ----------
    own_probability, other_probability
        Of the label, of any one shape.
    margin
        epsilon.
    divisor
        Such probabilities over all workers.

    Returns
    -------
    Tensor
        Scalar: the sum of max(0, margin - (own - other)), by the divisor.

    Examples
    --------
    >>> own, other = torch.tensor([0.6, 0.8]), torch.tensor([0.7, 0.7])
    >>> round(rank_loss(own, other, margin=0.05, divisor=2).item(), 6)
    0.075
    """
    return (margin - (own_probability - other_probability)).relu().sum() / divisor


def probability_of(logits_PK: Tensor, labels_P: Tensor) -> Tensor:
    """(P,) Softmax of each row at its label."""
    return functional.softmax(logits_PK, dim=1).gather(1, labels_P[:, None]).flatten()


def _nearest(distance_BB: Tensor, may_BB: Tensor) -> tuple[Tensor, Tensor]:
    allowed_BB = distance_BB.masked_fill(~may_BB, torch.inf)
    is_nearest_BB = may_BB & (allowed_BB == allowed_BB.amin(1, keepdim=True))
    # argmin does not promise the first of equals.
    index_B = torch.arange(len(may_BB), device=may_BB.device)
    first_B = torch.where(is_nearest_BB, index_B, len(may_BB)).amin(1)
    has_partner_B = may_BB.any(1)
    return index_B[has_partner_B], first_B[has_partner_B]
