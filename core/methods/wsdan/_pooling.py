"""Bilinear attention pooling.

Shape letters: B samples, M attention maps, C channels, H height, W width, D = M C.
"""

import torch
from torch import Tensor
from torch.nn import functional

_SMALLEST = 1e-12
"""Keeps the slope of the square root finite at 0, where it is 5e5."""


def attention_pool(attention_BMHW: Tensor, x_BCHW: Tensor) -> Tensor:
    """Mean of every channel under every attention map, as a vector of length 1.

    phi_mc = (1 / HW) sum_ij A_m X_c, then sign(phi) sqrt(|phi|), then all M C numbers are divided
    by their norm (Hu et al., 2019, as its public codes have it). Where all are 0, all stay 0.

    Parameters
    ----------
    attention_BMHW, x_BCHW
        float32, of one height and width.

    Returns
    -------
    Tensor
        (B, M C), all channels of the first map first.

    Examples
    --------
    >>> attention_pool(torch.ones(1, 1, 1, 1), torch.tensor([[[[9.0]], [[16.0]]]]))
    tensor([[0.6000, 0.8000]])
    """
    height, width = x_BCHW.shape[2:]
    phi_BMC = torch.einsum("bmhw,bchw->bmc", attention_BMHW, x_BCHW) / (height * width)
    rooted_BD = (phi_BMC.sign() * (phi_BMC.abs() + _SMALLEST).sqrt()).flatten(1)
    return functional.normalize(rooted_BD, dim=1)
