"""The numbers behind a network's levels: what its quantizer was given.

Shape letters: N samples, D features.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.data import Split
from core.errors import DataError
from core.predict import predict_split
from core.quantize import CalibratedQuantizer, UniformQuantizer
from core.recognizer import Recognizer


def levels_and_features(
    model: Recognizer, split: Split
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Levels and the unquantized features of all images, both (N, D), in one pass.

    Raises
    ------
    DataError
        If the network has no levels.
    """
    # Its own, and not one of a network inside it.
    quantizers = [
        module
        for module in model.children()
        if isinstance(module, UniformQuantizer | CalibratedQuantizer)
    ]
    if len(quantizers) != 1 or model.num_levels is None:
        raise DataError(
            f"A gallery needs a network with levels, but {type(model).__name__} has none: use one "
            "of a method with levels."
        )
    seen: list[Tensor] = []

    def see(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].detach().float().cpu())

    hook = quantizers[0].register_forward_pre_hook(see)
    try:
        outputs = predict_split(model, split)
    finally:
        hook.remove()
    if outputs.levels_ND is None:
        raise TypeError("A network with `num_levels` gave no levels.")
    return outputs.levels_ND, torch.cat(seen).numpy()
