"""What data-parallel workers share: extrema with gradients, rows of S', sums of gradients.

Every function here is the plain single-process operation when `torch.distributed` is not
initialised, so the callers need no second code path.

Shape letters: B rows of one worker, N columns.
"""

from collections.abc import Iterable
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Return the number of workers; 1 outside `torch.distributed`."""
    return dist.get_world_size() if _is_active() else 1


def rank() -> int:
    """Return this worker's index; 0 outside `torch.distributed`."""
    return dist.get_rank() if _is_active() else 0


def local_rows(global_size: int) -> slice:
    """This worker's rows of a global batch, as `core.data.loader.BatchStream` cuts it.

    Examples
    --------
    >>> local_rows(5)
    slice(0, 5, None)
    """
    part, more = divmod(global_size, world_size())
    start = rank() * part + min(rank(), more)
    return slice(start, start + part + (rank() < more))


def global_min(x: Tensor) -> Tensor:
    """Smallest element over all workers, as a scalar.

    The gradient is that of a single process on the concatenated tensor: it is summed over the
    workers and shared evenly by the elements that attain the minimum.
    """
    return -global_max(-x)


def global_max(x: Tensor) -> Tensor:
    """Largest element over all workers, as a scalar; for the gradient see `global_min`."""
    if world_size() == 1:
        return x.amax()
    return cast(Tensor, _GlobalMax.apply(x))


def global_sum(x: Tensor) -> Tensor:
    """Elementwise sum of a tensor over all workers.

    The gradient is that of a single process whose loss is the sum of all workers' losses: what each
    worker's loss says of the sum is added up, and every addend gets it. A term that all workers
    compute alike from such a sum is therefore to be divided by their number.
    """
    if world_size() == 1:
        return x
    return cast(Tensor, _GlobalSum.apply(x))


def sum_over_workers(value: Tensor) -> Tensor:
    """Sum of a tensor over all workers, without gradient."""
    if world_size() == 1:
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace each gradient by its sum over the workers, in one flat all-reduce."""
    if world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    offset = 0
    for gradient in gradients:
        gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
        offset += gradient.numel()


def _is_active() -> bool:
    return dist.is_available() and dist.is_initialized()


class _GlobalSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grad_outputs: Tensor) -> Tensor:
        gradient = grad_outputs[0].clone()
        dist.all_reduce(gradient)
        return gradient


class _GlobalMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        largest = x.amax()
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        attained = x == largest
        count = attained.sum()
        dist.all_reduce(count)
        ctx.save_for_backward(attained, count)
        return largest

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grad_outputs: Tensor) -> Tensor:
        attained, count = ctx.saved_tensors  # type: ignore[attr-defined]
        gradient = grad_outputs[0].clone()
        dist.all_reduce(gradient)
        return cast(Tensor, attained * (gradient / count))
