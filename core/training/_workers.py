"""What data-parallel workers need of a network before it is trained."""

from typing import TypeVar

import torch

from core.distributed import world_size
from core.errors import ConfigError

M = TypeVar("M", bound=torch.nn.Module)


def share_batch_statistics(model: M, device: torch.device) -> M:
    """Let BatchNorm see the whole global batch; with one worker it does already.

    Raises
    ------
    ConfigError
        If there are several workers that are not on GPUs.
    """
    if world_size() == 1:
        return model
    if not any(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in model.modules()):
        return model
    if device.type != "cuda":
        raise ConfigError(
            "A network with BatchNorm needs GPUs to share its statistics among several workers, "
            f"but the device is {device.type!r}: use `trunk_norm='group'`, or one worker."
        )
    # timm's, since torch's own drops the activation that timm fuses into its BatchNormAct2d.
    # Imported here: with torchvision behind it, timm takes seconds.
    from timm.layers import convert_sync_batchnorm  # type: ignore[attr-defined]

    synchronised: M = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return synchronised
