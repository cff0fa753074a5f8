"""The contract between the training loop and a method."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.config import TrainConfig
from core.data import Split
from core.data.loader import Batch, BatchSampler
from core.errors import NonFiniteLossError
from core.recognizer import Recognizer
from core.tree import DecisionTree


class Timer:
    """Wall time of an epoch by part: those that took part are there, no others."""

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = dict(seconds or {})

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time that the block takes."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where in a run a batch stands."""

    epoch: int
    index: int
    """Of the batch within the epoch."""

    num_train: int
    """Samples of the training set."""

    timer: Timer
    """For the parts "network" and "tree"."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochEnd:
    """What a method may look at once it has learnt from all batches of an epoch."""

    epoch: int
    """Counted from 0."""

    train: Split
    """For what looks over the whole training set, such as finding each prototype's nearest patch.
    Without attributes, as `minival` is."""

    minival: Split
    """For fixing a range to quantize in; not to learn from."""

    timer: Timer
    """For the parts "network" and "tree", and "validation" for passes over minival."""


class Method(ABC):
    """One way to train a network, made from a config: what differs from method to method.

    `core.training.fit` has what does not: batches, step sizes, sums of losses, minival accuracy,
    early stopping, checkpoints. A method is shown no attribute.

    What it draws is a function of seed, epoch and step (`mix_seeds`), or comes from torch's global
    generator, which the loop seeds for each step; so there is no generator to save.

    Attributes
    ----------
    config
        With the method's own options in `config.method_options`.
    model
        The network with all weights.
    optimizers
        By name. Every parameter group has a "scale", its step size as a multiple of the config's.
    """

    why_not_several_workers: ClassVar[str | None] = None
    """Why several workers cannot train what one trains; None where they do, up to rounding."""

    config: TrainConfig
    model: Recognizer
    optimizers: Mapping[str, torch.optim.Optimizer]

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        """Refuse a config that the method cannot train, before anything is built.

        Raises
        ------
        ConfigError
        """

    @classmethod
    @abstractmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        """Make networks and optimizers; the first weights depend on `config.seed` alone.

        Raises
        ------
        ConfigError, DataError
            If the config does not suit, or first weights cannot be loaded.
        """

    @classmethod
    def build_model(cls, config: TrainConfig, *, in_channels: int, num_classes: int) -> Recognizer:
        """Make the network of a config for trained weights that are loaded next.

        First weights are not read, so neither their file nor a hub needs to be there. A network
        that grew takes its shape from the weights (`Recognizer.grow_like`).

        Raises
        ------
        ConfigError
            If the config does not suit.
        """
        bare = config.replace({"weights": None, "weights_sha256": None})
        return cls.create(
            bare, in_channels=in_channels, num_classes=num_classes, device=torch.device("cpu")
        ).model

    @abstractmethod
    def step(self, batch: Batch, at: Step) -> Mapping[str, float]:
        """Learn from a batch.

        Returns
        -------
        Mapping
            Losses by name, unweighted means over the global batch, that of the labels first; a loss
            that the config switches off is absent. The names are the same in every step.

        Raises
        ------
        NonFiniteLossError
            If a loss is NaN or infinite. The loop checks those that are returned.
        """

    def prepare(self, train: Split, timer: Timer) -> None:
        """Look over the training images before the first batch, such as for first weights.

        Called once a run, before the first epoch's `start_epoch`: a run that goes on has what came
        of it.

        Parameters
        ----------
        train
            Without attributes.
        timer
            For the part "network".
        """

    def batch_sampler(self, labels_N: npt.NDArray[np.int64]) -> BatchSampler | None:
        """What cuts the training set into batches; None for a shuffle, cut by `batch_size`.

        Raises
        ------
        DataError
            If the method cannot have its batches of samples with such labels.
        """
        return None

    def start_epoch(self, epoch: int) -> None:
        """Prepare for an epoch's batches; also where a run goes on inside the epoch."""

    def end_epoch(self, at: EpochEnd) -> DecisionTree | None:
        """Finish an epoch before minival is predicted; its tree where the method has one."""
        return None

    def write_files(self, folder: Path) -> None:
        """Write what a finished run leaves behind beside config, weights, tree and attributes."""

    def phase(self, epoch: int) -> str:
        """What an epoch does, in a word: epochs of one phase cost the same (`core.flops`)."""
        return "train"

    def is_watched(self, epoch: int) -> bool:
        """Whether early stopping looks at an epoch's accuracy; in a warm-up, say, it does not."""
        return True

    def state_dict(self) -> dict[str, Any]:
        """What goes on from epoch to epoch beside `model` and `optimizers`, at any moment.

        Plain values, and tensors that nobody changes any more: they are kept as they are given.
        """
        return {}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take over `state_dict()`'s form.

        Called before weights and optimizers are loaded, so that a model that grew can be given its
        shape again.
        """

    def epoch_state_dict(self) -> dict[str, Any]:
        """What goes on from batch to batch and ends with the epoch, such as S'.

        Asked between two batches. Plain values and tensors; what `state_dict()` has is not needed
        again.
        """
        return {}

    def load_epoch_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take over `epoch_state_dict()`'s form; called after `start_epoch`."""


def check_finite(loss: Tensor | float, config: TrainConfig, at: Step) -> None:
    """Refuse a loss that is NaN or infinite.

    Raises
    ------
    NonFiniteLossError
        With the epoch, the step and the run.
    """
    value = loss.item() if isinstance(loss, Tensor) else loss
    if not math.isfinite(value):
        raise NonFiniteLossError(
            f"loss is {value} at epoch {at.epoch}, step {at.index} (config {config.hash}, seed "
            f"{config.seed}): the trial is marked failed."
        )


def mix_seeds(*parts: int) -> int:
    """One seed from several counters, without collisions for counters below 2^21."""
    mixed = 0
    for part in parts:
        mixed = (mixed << 21) | (part & 0x1FFFFF)
    return mixed
