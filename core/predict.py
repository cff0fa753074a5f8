"""A network's outputs over a whole split, in evaluation mode.

Shape letters: N samples, D features, K classes.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from core.data import Split
from core.distributed import rank, sum_over_workers, world_size
from core.recognizer import Recognizer

_CHUNK = 512
_CHUNK_VALUES = 1 << 24
"""Most pixels times channels at once: 27 images of 448 x 448."""
_CHUNK_VALUES_CPU = 1 << 20
"""The same on a CPU, which slows down as activations outgrow its caches: 37 images of 96 x 96."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitOutputs:
    """A network's outputs for all samples of a split, in evaluation mode."""

    levels_ND: npt.NDArray[np.uint8] | None
    """None for a method without levels."""

    probabilities_NK: npt.NDArray[np.float32]

    quantized_probabilities_NK: npt.NDArray[np.float32] | None = None
    """Those of a last layer that is fed levels; None where it is anyway, and without levels."""


def predict_split(model: Recognizer, split: Split) -> SplitOutputs:
    """Run the network over a split in evaluation mode; the mode is put back afterwards."""
    return _predict(model, split, rank=0, world_size=1)


def predict_over_workers(model: Recognizer, split: Split) -> SplitOutputs:
    """`predict_split`, with its work shared by the workers.

    Every worker has the same weights, calls this on the same split, and gets the outputs for all of
    it. They are those of `predict_split`, bit for bit: a worker takes whole chunks.
    """
    return _predict(model, split, rank=rank(), world_size=world_size())


def _predict(model: Recognizer, split: Split, *, rank: int, world_size: int) -> SplitOutputs:
    device = next(model.parameters()).device
    mine = _chunks(split, on_cpu=device.type == "cpu")[rank::world_size]
    levels_ND: torch.Tensor | None = None
    if model.feature_dim is not None:
        levels_ND = torch.zeros(len(split), model.feature_dim, dtype=torch.uint8, device=device)
    probabilities_NK = torch.zeros(len(split), model.num_classes, device=device)
    quantized_NK: torch.Tensor | None = None
    if model.is_quantized_after_training:
        quantized_NK = torch.zeros_like(probabilities_NK)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for rows, images_BCHW in zip(mine, split.images.batches(mine), strict=True):
            said = model.recognize(images_BCHW.to(device))
            chunk = slice(int(rows[0]), int(rows[-1]) + 1)
            if levels_ND is not None and said.levels_BN is not None:
                levels_ND[chunk] = said.levels_BN.to(torch.uint8)
            probabilities_NK[chunk] = said.probabilities_BK
            if quantized_NK is not None and said.quantized_probabilities_BK is not None:
                quantized_NK[chunk] = said.quantized_probabilities_BK
    model.train(was_training)
    if world_size > 1:
        # All but one worker have 0 in a row, and adding that changes no bit.
        probabilities_NK = sum_over_workers(probabilities_NK)
        levels_ND = None if levels_ND is None else sum_over_workers(levels_ND)
        quantized_NK = None if quantized_NK is None else sum_over_workers(quantized_NK)
    return SplitOutputs(
        levels_ND=None if levels_ND is None else levels_ND.cpu().numpy(),
        probabilities_NK=probabilities_NK.cpu().numpy(),
        quantized_probabilities_NK=None if quantized_NK is None else quantized_NK.cpu().numpy(),
    )


def _chunks(split: Split, *, on_cpu: bool) -> list[npt.NDArray[np.int64]]:
    num_values = _CHUNK_VALUES_CPU if on_cpu else _CHUNK_VALUES
    size = min(max(num_values // math.prod(split.images.shape), 1), _CHUNK)
    rows_N = np.arange(len(split), dtype=np.int64)
    return [rows_N[start : start + size] for start in range(0, len(split), size)]


def accuracy(probabilities_NK: npt.NDArray[np.floating], labels_N: npt.NDArray[np.int64]) -> float:
    """Share of samples whose most probable class is the label."""
    return float(np.mean(probabilities_NK.argmax(1) == labels_N))
