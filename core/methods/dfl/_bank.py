"""The bank: filters of one cell, a group for each class.

Shape letters: B samples, C channels, H height, W width, N filters, K classes.
"""

import torch
from torch import Tensor, nn

from core.methods._maps import classes_of_units


class FilterBank(nn.Module):
    """1x1 filters with bias, whose largest response over the map is a feature.

    Parameters
    ----------
    channels
        C of the map.
    num_filters, num_classes
        N, spread over the K classes. Public codes have ten filters a class, so 2000 on CUB.

    Raises
    ------
    ConfigError
        If there are fewer filters than classes.
    """

    class_N: Tensor
    shares_KN: Tensor
    is_set: Tensor

    def __init__(self, channels: int, *, num_filters: int, num_classes: int) -> None:
        super().__init__()
        self.filters = nn.Conv2d(channels, num_filters, 1)
        class_N = classes_of_units(num_filters, num_classes)
        is_of_KN = (class_N == torch.arange(num_classes)[:, None]).float()
        self.register_buffer("class_N", class_N, persistent=False)
        self.register_buffer(
            "shares_KN", is_of_KN / is_of_KN.sum(1, keepdim=True), persistent=False
        )
        self.register_buffer("is_set", torch.zeros((), dtype=torch.bool))

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """(B, N) The largest response of each filter, not rectified."""
        responses_BNHW: Tensor = self.filters(map_BCHW)
        return responses_BNHW.amax((2, 3))

    def side(self, responses_BN: Tensor) -> Tensor:
        """(B, K) Mean response of each class's own filters: logits without parameters."""
        return responses_BN @ self.shares_KN.T

    @torch.no_grad()
    def set_filters(self, filters_MC: Tensor, filter_M: Tensor) -> None:
        """Put first filters in their places; the others stay. All biases are 0 then.

        Parameters
        ----------
        filters_MC
            float32.
        filter_M
            Place of each among the N.
        """
        weight_NC = self.filters.weight.view(len(self.class_N), -1)
        weight_NC[filter_M.to(weight_NC.device)] = filters_MC.to(weight_NC)
        if self.filters.bias is not None:
            self.filters.bias.zero_()
        self.is_set.fill_(True)
