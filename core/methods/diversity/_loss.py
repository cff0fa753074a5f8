"""The feature diversity loss.

Shape letters: B samples, N features, H height, W width, S cells of a map, K classes.
"""

import torch
from torch import Tensor

_EPSILON = 1e-6


def diversity_loss(
    maps_BNHW: Tensor, logits_BK: Tensor, weight_KN: Tensor, *, divisor: int
) -> Tensor:
    """How little the features that speak for the predicted class cover the image; negative.

    Each map becomes a softmax over its cells, times its mean over that of the sample's strongest
    map, times |w| / ||w|| of the predicted class at the feature. The largest of these over the
    features is taken in each cell; they are added up over cells, and negated. So features are to be
    sharp, and at places of their own (Norrenbrock et al., "Take 5", 2022, section 3.1).

    Parameters
    ----------
    maps_BNHW
        Feature maps before pooling, not negative. Where all of a sample's are 0, so is its loss:
        the strongest mean is taken to be 1e-6 at least.
    logits_BK
        The classifier's answers: the largest says which class's weights count.
    weight_KN
        The classifier's weights. Gradients flow into them and into the maps.
    divisor
        Size of the global batch.

    Returns
    -------
    Tensor
        Scalar: the sum over the batch by the divisor, from -sqrt(N) up to 0.

    Examples
    --------
    >>> maps = torch.tensor([[[[0.0, 50.0]], [[50.0, 0.0]]]])  # two sharp features, apart
    >>> logits, weight = torch.tensor([[1.0, 0.0]]), torch.ones(2, 2)
    >>> diversity_loss(maps, logits, weight, divisor=1).item()  # -2 / sqrt(2)
    -1.4142135...
    >>> diversity_loss(maps[:, [0, 0]], logits, weight, divisor=1).item()  # at one place
    -0.7071067...
    """
    maps_BNS = maps_BNHW.flatten(2)
    mean_BN = maps_BNS.mean(2)
    strength_BN = mean_BN / mean_BN.amax(1, keepdim=True).clamp(min=_EPSILON)
    of_predicted_BN = weight_KN[logits_BK.argmax(1)].abs()
    share_BN = of_predicted_BN / torch.linalg.vector_norm(of_predicted_BN, dim=1, keepdim=True)
    covered_BNS = maps_BNS.softmax(2) * (strength_BN * share_BN)[:, :, None]
    loss: Tensor = -covered_BNS.amax(1).sum() / divisor
    return loss
