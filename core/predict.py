"""A network's outputs over a whole split, in evaluation mode.

Shape letters: N samples, D features, K classes.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from core.data import Split
from core.model import IntersectionModel

_CHUNK = 512
_CHUNK_VALUES = 1 << 24
"""Most pixels times channels at once: 27 images of 448 x 448."""
_CHUNK_VALUES_CPU = 1 << 20
"""The same on a CPU, which slows down as activations outgrow its caches: 37 images of 96 x 96."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitOutputs:
    """A network's outputs for all samples of a split, in evaluation mode."""

    levels_ND: npt.NDArray[np.uint8]
    probabilities_NK: npt.NDArray[np.float32]


def predict_split(model: IntersectionModel, split: Split) -> SplitOutputs:
    """Run the network over a split in evaluation mode; the mode is put back afterwards."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    levels, probabilities = [], []
    with torch.inference_mode():
        for images_BCHW in split.images.batches(_chunks(split, on_cpu=device.type == "cpu")):
            prediction = model(images_BCHW.to(device))
            levels.append(prediction.levels_BN.to(torch.uint8).cpu())
            probabilities.append(prediction.logits_BK.softmax(1).cpu())
    model.train(was_training)
    return SplitOutputs(
        levels_ND=torch.cat(levels).numpy(), probabilities_NK=torch.cat(probabilities).numpy()
    )


def _chunks(split: Split, *, on_cpu: bool) -> list[npt.NDArray[np.int64]]:
    num_values = _CHUNK_VALUES_CPU if on_cpu else _CHUNK_VALUES
    size = min(max(num_values // math.prod(split.images.shape), 1), _CHUNK)
    rows_N = np.arange(len(split), dtype=np.int64)
    return [rows_N[start : start + size] for start in range(0, len(split), size)]


def accuracy(probabilities_NK: npt.NDArray[np.floating], labels_N: npt.NDArray[np.int64]) -> float:
    """Share of samples whose most probable class is the label."""
    return float(np.mean(probabilities_NK.argmax(1) == labels_N))
