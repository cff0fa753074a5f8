"""What methods share whose features are quantized once the network is trained (section 6).

Shape letters: B samples, C channels, H height, W width, N features, K classes, M batches.
"""

import json
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from core.config import TrainConfig
from core.config.options import CalibratedOptions
from core.data import Split
from core.distributed import rank, sum_over_workers, world_size
from core.quantize import CalibratedQuantizer
from core.recognizer import Recognition, Recognizer
from core.training import EpochEnd, Method

CALIBRATION_FILE = "calibration.json"


class Answer(NamedTuple):
    """What a network without levels says of a batch, in evaluation mode."""

    features_BN: Tensor
    """F(x): the vector before the last layer, float32."""

    classify: Callable[[Tensor], Tensor]
    """From such features (B, N) to the method's own class probabilities (B, K). It is called with
    `features_BN`, and with the numbers that their levels stand for. Whatever else the answer takes,
    such as the logits of another stream, it keeps from the one pass over the images."""

    probabilities_BK: Tensor | None = None
    """The method's own class probabilities, where they are no function of `features_BN`."""


class CalibratedRecognizer(Recognizer):
    """A network whose levels are its float features', in a range that is fixed afterwards.

    A subclass makes `quantizer`, sets the sizes of `Recognizer`, and gives `answer`.
    """

    is_quantized_after_training = True
    feature_dim: int
    num_levels: int
    quantizer: CalibratedQuantizer

    @abstractmethod
    def answer(self, images_BCHW: Tensor) -> Answer:
        """F(x) of a batch, and how the method classifies by it. In evaluation mode."""

    def recognize(self, images_BCHW: Tensor) -> Recognition:
        """Levels of the calibrated features; class probabilities by the features and by the levels.

        Raises
        ------
        CoreError
            If `calibrate` was not called before.
        """
        features_BN, classify, probabilities_BK = self.answer(images_BCHW)
        levels_BN = self.quantizer(features_BN)
        return Recognition(
            levels_BN,
            classify(features_BN) if probabilities_BK is None else probabilities_BK,
            classify(self.quantizer.dequantize(levels_BN)),
        )

    def calibrate(self, split: Split, *, batch_size: int) -> None:
        """Fix the range: the mean over a split's batches of the smallest and the largest feature.

        The images are not augmented, and labels are not read. Workers share the batches; all must
        call, and all get what one would get.

        Parameters
        ----------
        split
            Such as minival.
        batch_size
            That of training; the last batch may be smaller.

        Raises
        ------
        DataError
            If the split is empty, or a feature is not finite.
        """
        device = next(self.parameters()).device
        rows_N = np.arange(len(split), dtype=np.int64)
        batches = [rows_N[start : start + batch_size] for start in range(0, len(split), batch_size)]
        extremes_2M = torch.zeros(2, len(batches), device=device)
        mine = range(rank(), len(batches), world_size())
        was_training = self.training
        self.eval()
        with torch.no_grad():
            images = split.images.batches([batches[index] for index in mine])
            for index, images_BCHW in zip(mine, images, strict=True):
                features_BN = self.answer(images_BCHW.to(device)).features_BN
                extremes_2M[0, index] = features_BN.amin()
                extremes_2M[1, index] = features_BN.amax()
        self.train(was_training)
        # All workers but one have 0 for a batch, and adding that changes no bit.
        self.quantizer.calibrate(*sum_over_workers(extremes_2M))


class CalibratedMethod(Method):
    """A method that trains a `CalibratedRecognizer`, and calibrates it at the end of each epoch."""

    model: CalibratedRecognizer

    def end_epoch(self, at: EpochEnd) -> None:
        """Fix the range for the weights as they are now; there is no tree."""
        with at.timer.part("validation"):
            self.model.calibrate(
                calibration_split(self.config, at), batch_size=self.config.batch_size
            )

    def write_files(self, folder: Path) -> None:
        """The range, and by how much features were shifted to lie in it."""
        quantizer = self.model.quantizer
        values = {name: getattr(quantizer, name).tolist() for name in ("low", "high", "shift")}
        (folder / CALIBRATION_FILE).write_text(json.dumps(values, indent=2))


class _Splits(Protocol):
    @property
    def train(self) -> Split: ...

    @property
    def minival(self) -> Split: ...


def calibration_split(config: TrainConfig, splits: _Splits) -> Split:
    """The split that a config says to fix the range on.

    Raises
    ------
    TypeError
        If its method is not quantized after training.
    """
    options = config.method_options
    if not isinstance(options, CalibratedOptions):
        raise TypeError(f"Options of {options.method!r} do not say what to calibrate on.")
    return splits.train if options.calibrate == "train" else splits.minival
