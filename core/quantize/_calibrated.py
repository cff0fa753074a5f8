"""The quantizer of a network that was trained without one.

Shape letters: B samples of a batch, N features, M batches.
"""

import torch
from torch import Tensor, nn

from core.config import MAX_BITS
from core.errors import ConfigError, CoreError, DataError
from core.quantize._uniform import dequantize, quantize


class CalibratedQuantizer(nn.Module):
    """Alg. 2 with a range that is fixed once the network is trained (section 6).

    The range goes from the mean over batches of the batch minimum to the mean of the batch maximum,
    which is what `UniformQuantizer` tends to in training. It lies in buffers, so an image's levels
    do not depend on its batch. No gradient is needed or given.

    Alg. 2 clamps the level of 0 to [0, 2^r - 1], so a range on one side of 0 would be squashed into
    the end level: all of [5, 9] would become level 2^r - 1. Such a range is first moved by the end
    that is nearer to 0 (`shift`), and its levels then are those of [0, 4].

    Parameters
    ----------
    num_bits
        r, between 1 and 8.
    num_features
        N, for a range for each feature; None for one range for all, as the paper has.

    Raises
    ------
    ConfigError
        If `num_bits` is not legal.

    Examples
    --------
    >>> quantizer = CalibratedQuantizer(num_bits=2)
    >>> quantizer.calibrate(torch.tensor([5.0, 5.0]), torch.tensor([7.5, 8.5]))
    >>> quantizer(torch.tensor([[4.0, 5.0, 6.1, 8.0, 9.0]]))
    tensor([[0., 0., 1., 3., 3.]])
    """

    low: Tensor
    high: Tensor
    is_calibrated: Tensor

    def __init__(self, num_bits: int = 4, *, num_features: int | None = None) -> None:
        super().__init__()
        if not 1 <= num_bits <= MAX_BITS:
            raise ConfigError(f"`num_bits` must lie in [1, {MAX_BITS}], but got {num_bits!r}.")
        self.num_bits = num_bits
        shape = () if num_features is None else (num_features,)
        self.register_buffer("low", torch.zeros(shape))
        self.register_buffer("high", torch.zeros(shape))
        self.register_buffer("is_calibrated", torch.zeros((), dtype=torch.bool))

    @property
    def num_levels(self) -> int:
        """2^r."""
        return 1 << self.num_bits

    @property
    def shift(self) -> Tensor:
        """What is taken from every feature before Alg. 2; 0 where the range holds 0."""
        return self.low.clamp(min=0) + self.high.clamp(max=0)

    def calibrate(self, lows_M: Tensor, highs_M: Tensor) -> None:
        """Fix the range.

        Parameters
        ----------
        lows_M, highs_M
            Smallest and largest feature of each batch, floating-point; (M, N) with a range for each
            feature.

        Raises
        ------
        DataError
            If there is no batch, or a number is not finite.
        """
        if not len(lows_M):
            raise DataError("Calibration needs a batch of features, but the split is empty.")
        low, high = lows_M.mean(0), highs_M.mean(0)
        if not (torch.isfinite(low) & torch.isfinite(high)).all():
            raise DataError(
                "Features must be finite to be quantized, but their range is "
                f"[{low.min().item()}, {high.max().item()}]: train with a smaller step size."
            )
        self.low.copy_(low)
        self.high.copy_(high)
        self.is_calibrated.fill_(True)

    def forward(self, features_BN: Tensor) -> Tensor:
        """Return the level of each feature, whole numbers from 0 to 2^r - 1 in the same dtype.

        Raises
        ------
        CoreError
            If the range was not fixed before.
        """
        low, high, shift = self._range(features_BN)
        return quantize(features_BN - shift, low - shift, high - shift, num_levels=self.num_levels)

    def dequantize(self, levels_BN: Tensor) -> Tensor:
        """Return the number that stands for each level.

        Raises
        ------
        CoreError
            If the range was not fixed before.
        """
        low, high, shift = self._range(levels_BN)
        return dequantize(levels_BN, low - shift, high - shift, num_levels=self.num_levels) + shift

    def extra_repr(self) -> str:
        return f"num_bits={self.num_bits}"

    def _range(self, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.is_calibrated:
            raise CoreError(
                "The quantizer has no range yet, so there are no levels: calibrate it on a split, "
                "or load trained weights."
            )
        return self.low.to(like.dtype), self.high.to(like.dtype), self.shift.to(like.dtype)
