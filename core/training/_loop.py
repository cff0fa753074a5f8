"""The loop over epochs that every method is trained in.

No files and no logging here: `fit` yields one result an epoch and leaves the rest to its caller.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from core.data import Dataset, Split
from core.data.loader import BatchStream
from core.distributed import rank, world_size
from core.predict import SplitOutputs, accuracy, predict_over_workers
from core.training._method import EpochEnd, Step, Timer, check_finite, mix_seeds
from core.training._rates import set_learning_rates
from core.training._repeatable import repeatable_convolutions
from core.training._state import TrainState
from core.tree import DecisionTree


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochResult:
    """What one epoch came to."""

    epoch: int
    """Counted from 0."""

    losses: Mapping[str, float]
    """Means over the epoch's samples, unweighted, by name. A loss that the method does not have, or
    that the config switches off, is absent."""

    minival_accuracy: float
    minival: SplitOutputs
    """Outputs on minival of the network as this epoch left it."""

    tree: DecisionTree | None
    """T as grown over the whole S' of the epoch; None for a method without a tree."""

    seconds: Mapping[str, float]
    """Wall time by part: "network", "data", "validation", and "tree" where there is one."""

    is_last: bool
    """Whether the run is over. Then the state holds the reported epoch's weights and tree."""


def fit(state: TrainState, dataset: Dataset) -> Iterator[EpochResult]:
    """Train from where `state` stands, one epoch a step of the iterator.

    Data-parallel when `torch.distributed` is initialised: every worker calls `fit` on the same
    dataset and gets the same results. Attributes are never read.

    Parameters
    ----------
    state
        From `core.methods.create_state`. Updated in place. Between two results it is whole and may
        be saved.
    dataset
        `train` and `minival` are used.

    Yields
    ------
    EpochResult

    Raises
    ------
    NonFiniteLossError
        If a loss is NaN or infinite. The state is then not to be used any more.

    Examples
    --------
    >>> dataset = load_dataset("digits")  # doctest: +SKIP
    >>> state = create_state(config, in_channels=1, num_classes=10)  # doctest: +SKIP
    >>> for result in fit(state, dataset):  # doctest: +SKIP
    ...     print(result.epoch, result.minival_accuracy)
    """
    config = state.config
    batches = BatchStream(  # line 2 of Alg. 1
        dataset.train,
        batch_size=config.batch_size,
        seed=config.seed,
        partition=config.partition,
        rank=rank(),
        world_size=world_size(),
        sampler=state.method.batch_sampler(dataset.train.labels_N),
    )
    while not state.finished:
        yield _run_epoch(state, dataset, batches)


def _run_epoch(state: TrainState, dataset: Dataset, batches: BatchStream) -> EpochResult:
    config, method, epoch = state.config, state.method, state.epoch
    timer, sums = Timer(), _Sums()
    stream = batches.epoch(epoch)
    with torch.random.fork_rng(devices=[]), repeatable_convolutions():
        # Dropout inside a timm trunk draws from the global generator.
        torch.manual_seed(mix_seeds(config.seed, epoch, rank()))
        method.start_epoch(epoch)
        set_learning_rates(method.optimizers.values(), config, epoch=epoch)
        method.model.train()
        for index in range(batches.num_batches):
            with timer.part("data"):
                batch = next(stream)
            at = Step(epoch=epoch, index=index, num_train=batches.num_samples, timer=timer)
            losses = method.step(batch, at)
            check_finite(sum(losses.values()), config, at)
            sums.add(losses, batch.global_size)
        tree = method.end_epoch(
            EpochEnd(
                epoch=epoch,
                train=_without_attributes(dataset.train),
                minival=_without_attributes(dataset.minival),
                timer=timer,
            )
        )
    with timer.part("validation"):
        minival = predict_over_workers(method.model, dataset.minival)
        minival_accuracy = accuracy(minival.probabilities_NK, dataset.minival.labels_N)
    state.end_epoch(tree, minival_accuracy)
    return EpochResult(
        epoch=epoch,
        losses=sums.means(),
        minival_accuracy=minival_accuracy,
        minival=minival,
        tree=tree,
        seconds=timer.seconds,
        is_last=state.finished,
    )


def _without_attributes(split: Split) -> Split:
    return Split(
        images=split.images,
        labels_N=split.labels_N,
        attributes_NA=np.zeros((len(split), 0), dtype=np.bool_),
    )


class _Sums:
    """Losses over the epoch so far."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._num_samples = 0

    def add(self, losses: Mapping[str, float], num_samples: int) -> None:
        for name, mean in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + mean * num_samples
        self._num_samples += num_samples

    def means(self) -> dict[str, float]:
        return {name: total / self._num_samples for name, total in self._sums.items()}
