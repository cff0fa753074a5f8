"""From the cells of a map to parts.

Shape letters: B samples, P parts, C channels, H height, W width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST = 1e-5


class Grouping(nn.Module):
    """Assign each cell to parts by its distance from their centres, and code what each part holds.

    q_p = softmax over the parts of -||x - c_p||^2 / beta_p, beta_p = sigmoid(a_p). A part's vector
    is ((sum q_p x) / (sum q_p) - c_p) / sqrt(beta_p / 2), at length 1 (Huang & Li, 2020, as its
    public code has it).

    Parameters
    ----------
    channels
        C.
    num_parts
        P.
    """

    def __init__(self, channels: int, num_parts: int) -> None:
        super().__init__()
        centers_PC = torch.empty(num_parts, channels)
        nn.init.kaiming_normal_(centers_PC)
        self.centers_PC = nn.Parameter(centers_PC.clamp(min=_LEAST))
        self.smoothing_P = nn.Parameter(torch.zeros(num_parts))

    def assign(self, map_BCHW: Tensor) -> Tensor:
        """(B, P, H, W) q, which adds up to 1 over the parts. float32."""
        x2_B1HW = map_BCHW.square().sum(1, keepdim=True)
        c2_P = self.centers_PC.square().sum(1)
        cx_BPHW = torch.einsum("pc,bchw->bphw", self.centers_PC, map_BCHW)
        # Rounding makes the square of a small distance negative.
        nearness_BPHW = (2 * cx_BPHW - x2_B1HW - c2_P[:, None, None]).clamp(max=0)
        return (nearness_BPHW / self._beta_P[:, None, None]).softmax(1)

    def forward(self, map_BCHW: Tensor, assigned_BPHW: Tensor) -> Tensor:
        """(B, C, P, 1) The parts' vectors; one of length 0 stays."""
        total_BP1 = assigned_BPHW.sum((2, 3))[:, :, None]
        sums_BPC = torch.einsum("bphw,bchw->bpc", assigned_BPHW, map_BCHW)
        means_BPC = sums_BPC / total_BP1.clamp(min=_LEAST)
        coded_BPC = (means_BPC - self.centers_PC) / (self._beta_P / 2).sqrt()[:, None]
        return functional.normalize(coded_BPC, dim=2).transpose(1, 2)[..., None]

    @property
    def _beta_P(self) -> Tensor:
        return self.smoothing_P.sigmoid()
