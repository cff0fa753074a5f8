"""Stages of a trunk that are not trained."""

from torch import nn

from core.backbones._trunk import Trunk
from core.errors import ConfigError


def freeze_stages(trunk: Trunk, count: int) -> None:
    """Give the first `count` stages no gradient. `keep_frozen` fixes their statistics.

    Raises
    ------
    ConfigError
        If the trunk has fewer stages, or does not say what they are.
    """
    if count == 0:
        return
    stages = trunk.stages()
    if count > len(stages):
        raise ConfigError(
            f"`frozen_stages` must be at most {len(stages)}, the stages of this trunk, but got "
            f"{count}."
        )
    for stage in stages[:count]:
        for parameter in stage:
            parameter.requires_grad_(False)


def keep_frozen(trunk: nn.Module) -> None:
    """Put every part that is frozen as a whole in evaluation mode, so that nothing in it moves."""
    for part in trunk.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()
