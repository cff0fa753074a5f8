"""The uniform quantizer that trains with the network, with straight-through gradients.

Shape letters: B samples of a batch, N features.
"""

from typing import cast

import torch
from torch import Tensor, nn

from core.config import MAX_BITS, RangeMode
from core.distributed import global_max, global_min
from core.errors import ConfigError, CoreError


class UniformQuantizer(nn.Module):
    """Round features to 2^r equally wide levels (appendix A, Alg. 2).

    In training the range is the min and max of the batch tensor, over all workers' batches when
    `torch.distributed` is initialised. In evaluation it is a running range, kept in buffers as
    BatchNorm keeps its statistics, so that the levels of an image never depend on what else is in
    its batch. With ``range="sample"`` each row has its own range, in training and in evaluation.

    Gradients are lines 9 to 11 of Alg. 2: rounding passes them through, clipping stops them, and
    they flow through the scale and the zero point, hence into the smallest and largest feature.

    Parameters
    ----------
    num_bits
        r, between 1 and 8.
    range
        "batch" or "sample".
    momentum
        Weight of the newest batch in the running range.

    Raises
    ------
    ConfigError
        If an argument is not legal.

    Examples
    --------
    >>> quantizer = UniformQuantizer(num_bits=2)
    >>> quantizer(torch.tensor([[0.0, 0.4, 1.0, 3.0]]))
    tensor([[0., 0., 1., 3.]])
    """

    running_min: Tensor
    running_max: Tensor
    num_batches: Tensor

    def __init__(
        self, num_bits: int = 4, range: RangeMode = "batch", *, momentum: float = 0.1
    ) -> None:
        super().__init__()
        if not 1 <= num_bits <= MAX_BITS:
            raise ConfigError(f"`num_bits` must lie in [1, {MAX_BITS}], but got {num_bits!r}.")
        if range not in ("batch", "sample"):
            raise ConfigError(f"`range` must be 'batch' or 'sample', but got {range!r}.")
        if not 0 < momentum <= 1:
            raise ConfigError(f"`momentum` must lie in (0, 1], but got {momentum!r}.")
        self.num_bits = num_bits
        self.range = range
        self.momentum = momentum
        self.register_buffer("running_min", torch.zeros(()))
        self.register_buffer("running_max", torch.zeros(()))
        self.register_buffer("num_batches", torch.zeros((), dtype=torch.int64))

    @property
    def num_levels(self) -> int:
        """2^r."""
        return 1 << self.num_bits

    def forward(self, features_BN: Tensor) -> Tensor:
        """Return the level of each feature.

        Parameters
        ----------
        features_BN
            Floating-point tensor, two-dimensional.

        Returns
        -------
        Tensor
            Same shape and dtype; whole numbers from 0 to 2^r - 1.

        Raises
        ------
        CoreError
            In evaluation with ``range="batch"``, if no batch was seen in training before.
        """
        low, high = self._range(features_BN)
        return quantize(features_BN, low, high, num_levels=self.num_levels)

    def extra_repr(self) -> str:
        return f"num_bits={self.num_bits}, range={self.range!r}"

    def _range(self, features_BN: Tensor) -> tuple[Tensor, Tensor]:
        if self.range == "sample":
            return features_BN.amin(1, keepdim=True), features_BN.amax(1, keepdim=True)
        if self.training:
            low, high = global_min(features_BN), global_max(features_BN)
            self._track(low.detach(), high.detach())
            return low, high
        if not self.num_batches:
            raise CoreError(
                "The quantizer has no running range yet, so it cannot evaluate: run it on at least "
                "one batch in training mode, or load trained weights."
            )
        return self.running_min.to(features_BN.dtype), self.running_max.to(features_BN.dtype)

    def _track(self, low: Tensor, high: Tensor) -> None:
        weight = self.momentum if self.num_batches else 1.0
        self.running_min.lerp_(low.to(self.running_min.dtype), weight)
        self.running_max.lerp_(high.to(self.running_max.dtype), weight)
        self.num_batches += 1


def quantize(features: Tensor, low: Tensor, high: Tensor, *, num_levels: int) -> Tensor:
    """Alg. 2, lines 3 to 11, for a given range.

    Parameters
    ----------
    features
        Floating-point tensor of any shape.
    low, high
        x_min and x_max, broadcastable to `features`. Where they are equal the level is 0 and no
        gradient flows.
    num_levels
        2^r.

    Returns
    -------
    Tensor
        Levels, same shape and dtype as `features`.
    """
    q_max = float(num_levels - 1)
    scale, zero_point, is_constant = _steps(low, high, q_max)
    levels = _round(_clip(zero_point + features / scale, q_max))
    return torch.where(is_constant, torch.zeros_like(levels), levels)


def dequantize(levels: Tensor, low: Tensor, high: Tensor, *, num_levels: int) -> Tensor:
    """The number that stands for each level: Alg. 2, line 7, read backwards.

    Parameters
    ----------
    levels
        Whole numbers from 0 to 2^r - 1, in a float dtype.
    low, high
        The range that they were made with. Where its ends are equal, every level stands for it.
    num_levels
        2^r.

    Returns
    -------
    Tensor
        Same shape and dtype as `levels`.

    Examples
    --------
    >>> dequantize(torch.tensor([0.0, 3.0]), torch.tensor(-1.0), torch.tensor(2.0), num_levels=4)
    tensor([-1.,  2.])
    """
    scale, zero_point, is_constant = _steps(low, high, float(num_levels - 1))
    return torch.where(is_constant, low.expand_as(levels), (levels - zero_point) * scale)


def _steps(low: Tensor, high: Tensor, q_max: float) -> tuple[Tensor, Tensor, Tensor]:
    """Width of a level, the level of 0, and whether the range is a single number."""
    width = high - low
    is_constant = width <= 0
    # A tensor, since CUDA multiplies by the reciprocal of a number, which is not what a CPU gets.
    steps = torch.full_like(width, q_max)
    scale = torch.where(is_constant, torch.ones_like(width), width) / steps
    return scale, _round(_clip(-low / scale, q_max)), is_constant


def _clip(x: Tensor, q_max: float) -> Tensor:
    # Line 9 and 11 have an open interval, torch.clamp's gradient a closed one.
    inside = (x > 0) & (x < q_max)
    return torch.where(inside, x, x.detach().clamp(0, q_max))


def _round(x: Tensor) -> Tensor:
    return cast(Tensor, _RoundStraightThrough.apply(x))


class _RoundStraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0]
