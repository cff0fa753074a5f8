"""PMG's own training (Du et al., ECCV 2020, section 3.3): from fine pieces to the whole image.

Shape letters: B samples, C channels, H height, W width, K classes, P pieces.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.backbones import BRANCH_FEATURES, PMGTrunk
from core.config import TrainConfig
from core.data import Dataset
from core.data.loader import BatchStream
from core.errors import ConfigError, DataError, NonFiniteLossError
from core.jigsaw._pieces import permute_pieces
from core.model import build_model, normalize_images

PIECES_PER_SIDE = (8, 4, 2)
"""Pieces along a side for the three stages, earliest first."""

WHOLE_WEIGHT = 2.0
"""What the published code multiplies the loss of the last step by."""

_HIDDEN = 512


@dataclass(frozen=True, kw_only=True)
class JigsawEpoch:
    """What one epoch came to."""

    epoch: int
    """Counted from 0."""

    losses: tuple[float, ...]
    """Mean cross-entropy of the four steps, in nats: 8, 4 and 2 pieces a side, the whole image."""

    minival_accuracy: float
    """Of the classifier on the three vectors together."""


class JigsawState:
    """A PMG trunk with four classifiers, and its optimiser.

    Parameters
    ----------
    config
        `trunk`, `trunk_norm`, `weights`, `frozen_stages`, `precision`, `channels_last`, `seed`,
        `batch_size` and SGD's fields are read; `num_epochs` is the length of the schedule.
    in_channels, num_classes
        Of the dataset.
    device
        Where to train.

    Raises
    ------
    ConfigError
        If the trunk is not PMG's.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        in_channels: int,
        num_classes: int,
        device: torch.device | str = "cpu",
    ) -> None:
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
        self.config = config
        self.device = torch.device(device)
        self._model = build_model(config, in_channels=in_channels, num_classes=num_classes)
        trunk = cast(PMGTrunk, self._model.trunk)
        self.trunk = trunk
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            widths = [BRANCH_FEATURES] * len(trunk.branches) + [trunk.num_features]
            self.classifiers = nn.ModuleList(_classifier(width, num_classes) for width in widths)
        self._model.to(self.device)
        self.classifiers.to(self.device)
        new = [*trunk.new_parameters(), *self.classifiers.parameters()]
        self.optimizer = torch.optim.SGD(
            [
                {
                    "params": list(trunk.body.parameters()),
                    "scale": config.trunk_learning_rate_scale,
                },
                {"params": new, "scale": 1.0},
            ],
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
        self.epoch = 0

    @property
    def finished(self) -> bool:
        return self.epoch >= self.config.num_epochs

    def set_learning_rate(self) -> None:
        """Apply the schedule for the epoch that is about to run."""
        config = self.config
        factor = 1.0
        if config.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * self.epoch / config.num_epochs))
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * group["scale"] * factor

    def train(self, mode: bool = True) -> None:
        """Set training or evaluation mode; frozen stages stay in evaluation mode."""
        self._model.train(mode)
        self.classifiers.train(mode)

    def logits(self, images_BCHW: Tensor, classifier: int) -> Tensor:
        """(B, K) of one of the four classifiers; the last sees the three vectors together."""
        x_BCHW = normalize_images(images_BCHW)
        if self.config.channels_last:
            x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            x_BCHW.device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bf16"
        ):
            vectors = self.trunk.vectors(x_BCHW)
            last = classifier == len(vectors)
            logits_BK: Tensor = self.classifiers[classifier](
                torch.cat(vectors, 1) if last else vectors[classifier]
            )
        return logits_BK.float()

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors alone, so `torch.load(..., weights_only=True)` reads it."""
        return {
            "config": json.dumps(self.config.to_dict()),
            "trunk": self.trunk.state_dict(),
            "classifiers": self.classifiers.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
        }

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Take over a checkpoint of the same config.

        Raises
        ------
        DataError
            If the checkpoint was made by another config.
        """
        saved = TrainConfig.from_dict(json.loads(values["config"]))
        if saved.hash != self.config.hash:
            raise DataError(
                f"The checkpoint belongs to config {saved.hash}, but this run is config "
                f"{self.config.hash}: give each run a file of its own."
            )
        self.trunk.load_state_dict(values["trunk"])
        self.classifiers.load_state_dict(values["classifiers"])
        self.optimizer.load_state_dict(values["optimizer"])
        self.epoch = values["epoch"]


def pretrain_jigsaw(
    state: JigsawState, dataset: Dataset, *, pieces_per_side: Sequence[int] = PIECES_PER_SIDE
) -> Iterator[JigsawEpoch]:
    """Train from where `state` stands, one epoch a step of the iterator.

    Each batch makes four optimiser steps: the classifier of the earliest stage on images of 8 x 8
    shuffled pieces, the next two on 4 x 4 and 2 x 2, and the fourth on the whole images. One order
    of the pieces serves a whole batch; it depends on seed, epoch and step alone. A classifier that
    a step does not use gets no gradient and does not move. Attributes are never read.

    Parameters
    ----------
    state
        Updated in place. Between two results it is whole and may be saved.
    dataset
        `train` is trained on, `minival` is scored.
    pieces_per_side
        Of the first three steps.

    Yields
    ------
    JigsawEpoch

    Raises
    ------
    DataError
        If a side of the images is no multiple of the pieces.
    NonFiniteLossError
        If a loss is NaN or infinite.

    Examples
    --------
    >>> config = preset_config("cub")  # doctest: +SKIP
    >>> state = JigsawState(config, in_channels=3, num_classes=200)  # doctest: +SKIP
    >>> for result in pretrain_jigsaw(state, dataset):  # doctest: +SKIP
    ...     print(result.epoch, result.minival_accuracy)
    """
    batches = BatchStream(dataset.train, batch_size=state.config.batch_size, seed=state.config.seed)
    while not state.finished:
        losses = _train_epoch(state, batches, (*pieces_per_side, 1))
        state.epoch += 1
        yield JigsawEpoch(
            epoch=state.epoch - 1, losses=losses, minival_accuracy=_accuracy(state, dataset)
        )


def _train_epoch(
    state: JigsawState, batches: BatchStream, steps: Sequence[int]
) -> tuple[float, ...]:
    config = state.config
    state.set_learning_rate()
    state.train()
    totals = [0.0] * len(steps)
    with torch.random.fork_rng(devices=[]):
        # Dropout inside a timm trunk draws from the global generator.
        torch.manual_seed(config.seed * config.num_epochs + state.epoch)
        for index, batch in enumerate(batches.epoch(state.epoch)):
            images_BCHW = batch.images_BCHW.to(state.device)
            labels_B = batch.labels_B.to(state.device)
            rng = np.random.default_rng([config.seed, state.epoch, index])
            for step, per_side in enumerate(steps):
                order_P = torch.from_numpy(rng.permutation(per_side * per_side))
                logits_BK = state.logits(permute_pieces(images_BCHW, order_P), step)
                loss = functional.cross_entropy(logits_BK, labels_B)
                if not torch.isfinite(loss):
                    raise NonFiniteLossError(
                        f"loss is {loss.item()} at epoch {state.epoch}, batch {index}, step {step} "
                        f"of jigsaw pretraining (config {config.hash}): lower `learning_rate`."
                    )
                state.optimizer.zero_grad()
                (loss * (WHOLE_WEIGHT if per_side == 1 else 1.0)).backward()  # type: ignore[no-untyped-call]
                state.optimizer.step()
                totals[step] += loss.item() * len(labels_B)
    return tuple(total / batches.num_samples for total in totals)


def _accuracy(state: JigsawState, dataset: Dataset) -> float:
    state.train(False)
    split = dataset.minival
    step = state.config.batch_size
    chunks = [np.arange(at, min(at + step, len(split))) for at in range(0, len(split), step)]
    right = 0
    with torch.inference_mode():
        for rows, images_BCHW in zip(chunks, split.images.batches(chunks), strict=True):
            logits_BK = state.logits(images_BCHW.to(state.device), len(state.trunk.branches))
            guess_B = logits_BK.argmax(1).cpu()
            right += int((guess_B == torch.from_numpy(split.labels_N[rows])).sum())
    return right / len(split)


def _classifier(width: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm1d(width),
        nn.Linear(width, _HIDDEN),
        nn.BatchNorm1d(_HIDDEN),
        nn.ELU(),
        nn.Linear(_HIDDEN, num_classes),
    )
