"""A trunk over a batch that does not fit in memory at once.

Shape letters: B samples, C channels, H height, W width, D trunk features.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from core.distributed import global_min, world_size


def forward_in_parts(trunk: nn.Module, x_BCHW: Tensor, parts: int) -> Tensor:
    """Features (B, D) of a batch, through the trunk in so many parts.

    No activation of the trunk is kept. In the backward pass the trunk runs once more on one part
    after another, from the same random state, and the gradients of its weights add up. So the
    memory is that of one part, and the gradients are exact: whatever follows sees the features of
    the whole batch at once. Buffers such as BatchNorm's running statistics move in the first pass
    alone.
    """
    (features_BD,) = call_in_parts(lambda part_BCHW: (trunk(part_BCHW),), trunk, x_BCHW, parts)
    return features_BD


def call_in_parts(
    call: Callable[[Tensor], tuple[Tensor, ...]], trunk: nn.Module, x_BCHW: Tensor, parts: int
) -> tuple[Tensor, ...]:
    """What `call` makes of a batch with the trunk, part by part as in `forward_in_parts`."""
    size = len(x_BCHW)
    if world_size() > 1:
        # With statistics shared among workers, all of them must make the same number of calls.
        size = int(global_min(torch.tensor(float(size), device=x_BCHW.device)))
    results = [
        checkpoint(call, part_BCHW, use_reentrant=False, context_fn=lambda: _contexts(trunk))
        for part_BCHW in x_BCHW.tensor_split(min(parts, size))
    ]
    return tuple(torch.cat(pieces) for pieces in zip(*results, strict=True))


def _contexts(
    trunk: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _buffers_put_back(trunk)


@contextmanager
def _buffers_put_back(trunk: nn.Module) -> Iterator[None]:
    # Copies move in place of the buffers: autograd may hold the buffers themselves.
    kept = [
        (part, name, buffer)
        for part in trunk.modules()
        for name, buffer in part.named_buffers(recurse=False)
    ]
    for part, name, buffer in kept:
        setattr(part, name, buffer.clone())
    try:
        yield
    finally:
        for part, name, buffer in kept:
            setattr(part, name, buffer)
