"""Convolutions that are counted and not computed."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_FORWARD = torch.ops.aten.convolution.default
_BACKWARD = torch.ops.aten.convolution_backward.default


class UncomputedConvolutions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Gives noise of the right shape for what a convolution would give, and 0 for its gradients.

    What a step does, and so what it costs, depends on the shapes; the noise keeps maxima, norms and
    variances from the special cases that a constant would be.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._noise = torch.rand(1 << 16, generator=torch.Generator().manual_seed(0)) - 0.5

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is _FORWARD:
            shapes = (arg.to("meta") if isinstance(arg, Tensor) else arg for arg in args)
            like: Tensor = func(*shapes)
            count = like.numel()
            noise = self._noise.repeat(-(-count // len(self._noise)))[:count]
            return noise.to(like.dtype).view(like.shape)
        if func is _BACKWARD:
            of_output, of_input, weight, *_, is_wanted = args
            shapes_of_gradients = (of_input.shape, weight.shape, (of_output.shape[1],))
            return tuple(
                of_output.new_zeros(shape) if wanted else None
                for shape, wanted in zip(shapes_of_gradients, is_wanted, strict=True)
            )
        return func(*args, **(kwargs or {}))
