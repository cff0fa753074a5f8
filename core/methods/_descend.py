"""One step of some optimizers from one loss."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from core.distributed import sum_gradients, sum_over_workers


def descend(
    loss: Tensor, parts: Mapping[str, Tensor], optimizers: Collection[torch.optim.Optimizer]
) -> dict[str, float]:
    """Take the step, and return what the parts of the loss came to.

    Parameters
    ----------
    loss
        This worker's share, a scalar; the shares add up to the global batch's loss.
    parts
        This worker's shares of the unweighted losses, by name.
    optimizers
        Those that take the step.

    Returns
    -------
    dict
        The parts of the global batch.
    """
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for optimizer in optimizers:
        sum_gradients(p for group in optimizer.param_groups for p in group["params"])
        optimizer.step()
    values = sum_over_workers(torch.stack([part.detach() for part in parts.values()])).tolist()
    return dict(zip(parts, values, strict=True))
