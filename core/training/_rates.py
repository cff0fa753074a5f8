"""Step sizes: one schedule for every optimizer of a run."""

import math
from collections.abc import Iterable

import torch

from core.config import TrainConfig


def set_learning_rates(
    optimizers: Iterable[torch.optim.Optimizer], config: TrainConfig, *, epoch: int
) -> None:
    """Apply the schedule for an epoch, counted from 0: step size times scale times factor."""
    factor = 1.0
    if config.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * epoch / config.num_epochs))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * group["scale"] * factor


def sgd(config: TrainConfig, groups: Iterable[dict[str, object]]) -> torch.optim.SGD:
    """SGD with the config's momentum and weight decay.

    Parameters
    ----------
    config
        Of the run.
    groups
        Parameters under "params", and the step size as a multiple of the config's under "scale".
    """
    return torch.optim.SGD(
        list(groups),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
