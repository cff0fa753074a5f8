"""The loop over epochs that every method is trained in.

No files and no logging here: `fit` yields one result an epoch and leaves the rest to its caller.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from core.data import Dataset, Split
from core.data.loader import BatchStream
from core.distributed import rank, world_size
from core.predict import SplitOutputs, accuracy, predict_over_workers
from core.training._method import EpochEnd, Step, check_finite
from core.training._part import EpochPart
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


def fit(
    state: TrainState, dataset: Dataset, *, after_batch: Callable[[], None] = lambda: None
) -> Iterator[EpochResult]:
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
    after_batch
        Called once a batch is learnt. The state is whole then too, and may be saved.

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
        yield _run_epoch(state, dataset, batches, after_batch)


def _run_epoch(
    state: TrainState, dataset: Dataset, batches: BatchStream, after_batch: Callable[[], None]
) -> EpochResult:
    config, method, epoch = state.config, state.method, state.epoch
    part = state.part = state.part or EpochPart()
    timer = part.timer
    stream = batches.epoch(epoch, start=part.num_batches)
    with torch.random.fork_rng(devices=[]), repeatable_convolutions():
        _seed_global_generator(config.seed, epoch, part.num_batches)
        if epoch == 0 and part.num_batches == 0:
            method.prepare(_without_attributes(dataset.train), timer)
        part.start(method, epoch)
        set_learning_rates(method.optimizers.values(), config, epoch=epoch)
        method.model.train()
        for index in range(part.num_batches, batches.num_batches):
            with timer.part("data"):
                batch = next(stream)
            at = Step(epoch=epoch, index=index, num_train=batches.num_samples, timer=timer)
            _seed_global_generator(config.seed, epoch, index)
            losses = method.step(batch, at)
            check_finite(sum(losses.values()), config, at)
            part.add(losses, batch.global_size)
            after_batch()
        _seed_global_generator(config.seed, epoch, batches.num_batches)
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
        losses=part.means(),
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


def _seed_global_generator(seed: int, epoch: int, index: int) -> None:
    """For dropout inside a timm trunk: what a step draws does not depend on the steps before it."""
    (word,) = np.random.SeedSequence((seed, epoch, index, rank())).generate_state(1, np.uint64)
    torch.manual_seed(int(word))
