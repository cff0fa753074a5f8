"""PMG's own training (Du et al., ECCV 2020, section 3.3): from fine pieces to the whole image.

Shape letters: B samples, K classes, P pieces.
"""

from pathlib import Path
from typing import Self

import numpy as np
import torch

from core.config import TrainConfig
from core.config.options import JigsawOptions
from core.data.loader import Batch
from core.distributed import sum_gradients, sum_over_workers
from core.errors import ConfigError
from core.losses import label_loss
from core.methods.jigsaw._model import JigsawModel
from core.methods.jigsaw._pieces import permute_pieces
from core.methods.jigsaw._trunk_file import TRUNK_FILE, write_trunk
from core.training import Method, Step, check_finite, sgd, share_batch_statistics

STEPS = ("stage1", "stage2", "stage3", "whole")
"""Names of the losses, in the order of the steps."""


class Jigsaw(Method):
    """Four optimizer steps a batch: three on images cut into pieces, one on whole images.

    The classifier of the earliest stage sees the smallest pieces, and so on; the fourth sees whole
    images through the three stages' vectors together. One order of the pieces serves a whole batch;
    it depends on seed, epoch and step alone. A classifier that a step does not use gets no gradient
    and does not move.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; one optimizer, "all".
    """

    why_not_several_workers = (
        "Its classifiers have BatchNorm, whose statistics workers can share on GPUs alone."
    )

    model: JigsawModel

    def __init__(
        self, config: TrainConfig, model: JigsawModel, optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        options = config.method_options
        if not isinstance(options, JigsawOptions):
            raise TypeError(f"These are options of {options.method!r}.")
        self._options = options

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        if config.accumulation_steps > 1:
            raise ConfigError(
                "`accumulation_steps` must be 1 for jigsaw pretraining, which takes four steps a "
                f"batch, but got {config.accumulation_steps}: use a smaller `batch_size`."
            )
        if config.trunk.partition(":")[0] != "pmg":
            raise ConfigError(
                "`trunk` must be 'pmg' or 'pmg:' and a timm model for jigsaw pretraining, but got "
                f"{config.trunk!r}."
            )

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = JigsawModel(config, in_channels=in_channels, num_classes=num_classes)
        model = share_batch_statistics(model, device).to(device)
        return cls(config, model, {"all": sgd(config, model.parameter_groups(config))})

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """The four steps, from the smallest pieces to the whole."""
        device = next(self.model.parameters()).device
        optimizer = self.optimizers["all"]
        rng = np.random.default_rng([self.config.seed, at.epoch, at.index])
        losses: dict[str, float] = {}
        with at.timer.part("network"):
            images_BCHW = batch.images_BCHW.to(device)
            labels_B = batch.labels_B.to(device)
            for index, (name, per_side) in enumerate(
                zip(STEPS, (*self._options.pieces_per_side, 1), strict=True)
            ):
                order_P = torch.from_numpy(rng.permutation(per_side * per_side))
                logits_BK = self.model.logits(permute_pieces(images_BCHW, order_P), index)
                loss = label_loss(logits_BK, labels_B, divisor=batch.global_size)
                losses[name] = sum_over_workers(loss).item()
                check_finite(losses[name], self.config, at)
                weight = self._options.whole_weight if name == "whole" else 1.0
                optimizer.zero_grad()
                (weight * loss).backward()  # type: ignore[no-untyped-call]
                sum_gradients(p for group in optimizer.param_groups for p in group["params"])
                optimizer.step()
        return losses

    def write_files(self, folder: Path) -> None:
        """The trunk alone, for `weights=FILE`."""
        write_trunk(self.model, folder / TRUNK_FILE, config=self.config, metadata={})
