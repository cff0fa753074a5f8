"""Alg. 1: train F and G, and grow T from scratch over S' at every batch.

No files and no logging here: `fit` yields one result an epoch and leaves the rest to its caller.

Shape letters: B samples of a batch, N features, K classes.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.config import TrainConfig
from core.data import Dataset
from core.data.loader import Batch, BatchStream
from core.distributed import rank, sum_gradients, sum_over_workers, world_size
from core.errors import NonFiniteLossError
from core.losses import bernoulli_mask, label_loss, sparsity_loss, tree_loss
from core.pairs import Pairs
from core.predict import SplitOutputs, accuracy, predict_over_workers
from core.state import TrainState
from core.tree import DecisionTree


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochResult:
    """What one epoch of Alg. 1 came to."""

    epoch: int
    """Counted from 0."""

    label_loss: float
    """Mean over the epoch's samples of Eq. 6's first term, unweighted, in nats."""

    tree_loss: float
    """The same of Eq. 6's second term; NaN when `tree_weight` is 0 and no tree is grown."""

    sparsity_loss: float
    """The same of Eq. 7 without lambda_3; NaN when it has no weight or the mask is always 0."""

    minival_accuracy: float
    minival: SplitOutputs
    """Outputs on minival of the network as this epoch left it."""

    tree: DecisionTree
    """T as grown over the whole S' of the epoch."""

    seconds: dict[str, float]
    """Wall time by part: "network", "tree", "data", "validation"."""

    is_last: bool
    """Whether the run is over. Then the state holds the reported epoch's weights and tree."""


def fit(
    state: TrainState, dataset: Dataset, *, pairs: Pairs | None = None
) -> Iterator[EpochResult]:
    """Run Alg. 1 from where `state` stands, one epoch a step of the iterator.

    Data-parallel when `torch.distributed` is initialised: every worker calls `fit` on the same
    dataset and gets the same results. Attributes are never read.

    Parameters
    ----------
    state
        Updated in place. Between two results it is whole and may be saved.
    dataset
        `train` and `minival` are used.
    pairs
        What keeps S' and grows T; left out, `core.pairs.Pairs` of the config.

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
    >>> state = TrainState.create(config, in_channels=1, num_classes=10)  # doctest: +SKIP
    >>> for result in fit(state, dataset):  # doctest: +SKIP
    ...     print(result.epoch, result.minival_accuracy)
    """
    config = state.config
    batches = BatchStream(
        dataset.train,
        batch_size=config.batch_size,
        seed=config.seed,
        partition=config.partition,
        rank=rank(),
        world_size=world_size(),
    )
    if pairs is None:
        pairs = Pairs(config, num_classes=dataset.num_classes)
    while not state.finished:
        yield _run_epoch(state, dataset, batches, pairs)


@dataclass(kw_only=True)
class _Totals:
    """Sums over the epoch so far."""

    label_loss: float = 0.0
    tree_loss: float = 0.0
    sparsity_loss: float = 0.0
    samples: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("data", "network", "tree", "validation"), 0.0)
    )

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - start


def _run_epoch(
    state: TrainState, dataset: Dataset, batches: BatchStream, pairs: Pairs
) -> EpochResult:
    config = state.config
    totals = _Totals()
    pairs.clear()  # lines 4 and 5
    state.set_learning_rate()
    state.model.train()
    stream = batches.epoch(state.epoch)
    with torch.random.fork_rng(devices=[]):
        # Dropout inside a timm trunk draws from the global generator.
        torch.manual_seed(_mix(config.seed, state.epoch, rank()))
        for step in range(batches.num_batches):
            with totals.timed("data"):
                batch = next(stream)
            _run_step(state, batch, pairs, totals, step=step, num_train=batches.num_samples)
    with totals.timed("tree"):
        tree = pairs.tree()
    with totals.timed("validation"):
        minival = predict_over_workers(state.model, dataset.minival)
        minival_accuracy = accuracy(minival.probabilities_NK, dataset.minival.labels_N)
    epoch = state.epoch
    state.end_epoch(tree, minival_accuracy)
    return EpochResult(
        epoch=epoch,
        label_loss=totals.label_loss / totals.samples,
        tree_loss=totals.tree_loss / totals.samples if config.tree_weight else math.nan,
        sparsity_loss=totals.sparsity_loss / totals.samples
        if config.has_sparsity_loss
        else math.nan,
        minival_accuracy=minival_accuracy,
        minival=minival,
        tree=tree,
        seconds=totals.seconds,
        is_last=state.finished,
    )


def _run_step(
    state: TrainState,
    batch: Batch,
    pairs: Pairs,
    totals: _Totals,
    *,
    step: int,
    num_train: int,
) -> None:
    """Lines 7 to 13. T is not grown where no loss needs it."""
    config, model = state.config, state.model
    device = next(model.parameters()).device
    objective = _Objective(config, batch, device, num_train)
    with totals.timed("network"):
        levels_BN = model.levels(batch.images_BCHW.to(device))
        logits_BK = model.classify(levels_BN.detach())
        # Checked before the tree sees them: NaN has no level.
        _check_finite(objective.label_loss(logits_BK), state, step)
        pairs.add(levels_BN.detach(), logits_BK.detach().softmax(1))  # lines 9 and 10

    tree_probabilities_BK = torch.zeros_like(logits_BK)
    if config.tree_weight:
        with totals.timed("tree"):
            tree_probabilities_BK = pairs.tree_probabilities(levels_BN).to(logits_BK)

    with totals.timed("network"):
        generator = torch.Generator().manual_seed(_mix(config.seed, state.epoch, step))
        mask_N = bernoulli_mask(
            config.feature_dim, config.mask_probability, generator=generator
        ).to(device)
        if config.update == "sequential":
            _step_classifier(state, objective.eq6(logits_BK, tree_probabilities_BK))
        parts = _step_extractor(state, objective, levels_BN, tree_probabilities_BK, mask_N)
        label, soft, sparse = sum_over_workers(torch.stack(parts)).tolist()
    _check_finite(torch.tensor(label + soft + sparse), state, step)
    totals.label_loss += label * batch.global_size
    totals.tree_loss += soft * batch.global_size
    totals.sparsity_loss += sparse * batch.global_size
    totals.samples += batch.global_size


class _Objective:
    """The losses of one batch."""

    def __init__(
        self,
        config: TrainConfig,
        batch: Batch,
        device: torch.device,
        num_train: int,
    ) -> None:
        self._config = config
        self._labels_B = batch.labels_B.to(device)
        self._size = batch.global_size
        self._sparsity_divisor = (
            num_train if config.sparsity_divisor == "dataset" else batch.global_size
        )

    def label_loss(self, logits_BK: Tensor) -> Tensor:
        return label_loss(logits_BK, self._labels_B, divisor=self._size)

    def tree_loss(self, logits_BK: Tensor, tree_probabilities_BK: Tensor) -> Tensor:
        return tree_loss(logits_BK, tree_probabilities_BK, divisor=self._size)

    def eq6(self, logits_BK: Tensor, tree_probabilities_BK: Tensor) -> Tensor:
        label = self._config.label_weight * self.label_loss(logits_BK)
        return label + self._config.tree_weight * self.tree_loss(logits_BK, tree_probabilities_BK)

    def eq7(self, levels_BN: Tensor, mask_N: Tensor) -> Tensor:
        return sparsity_loss(
            levels_BN, mask_N, norm=self._config.sparsity_norm, divisor=self._sparsity_divisor
        )


def _step_classifier(state: TrainState, loss: Tensor) -> None:
    """Line 12: G alone. The logits came from detached levels, so F gets no gradient."""
    state.classifier_optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    sum_gradients(state.model.classifier.parameters())
    state.classifier_optimizer.step()


def _step_extractor(
    state: TrainState,
    objective: _Objective,
    levels_BN: Tensor,
    tree_probabilities_BK: Tensor,
    mask_N: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Line 13: F with the updated G; with `update="joint"` F and G from one backward."""
    config, model = state.config, state.model
    joint = config.update == "joint"
    optimizers = [state.extractor_optimizer]
    if joint:
        optimizers.append(state.classifier_optimizer)
    for optimizer in optimizers:
        optimizer.zero_grad()
    model.classifier.requires_grad_(joint)
    logits_BK = model.classify(levels_BN)
    label = objective.label_loss(logits_BK)
    soft = objective.tree_loss(logits_BK, tree_probabilities_BK)
    sparse = objective.eq7(levels_BN, mask_N)
    loss = config.label_weight * label + config.tree_weight * soft + config.sparsity_weight * sparse
    loss.backward()  # type: ignore[no-untyped-call]
    model.classifier.requires_grad_(True)
    for optimizer in optimizers:
        sum_gradients(p for group in optimizer.param_groups for p in group["params"])
        optimizer.step()
    return label.detach(), soft.detach(), sparse.detach()


def _check_finite(value: Tensor, state: TrainState, step: int) -> None:
    if not torch.isfinite(value):
        raise NonFiniteLossError(
            f"loss is {value.item()} at epoch {state.epoch}, step {step} (config "
            f"{state.config.hash}, seed {state.config.seed}): the trial is marked failed."
        )


def _mix(*parts: int) -> int:
    """One seed from several counters, without collisions for counters below 2^21."""
    mixed = 0
    for part in parts:
        mixed = (mixed << 21) | (part & 0x1FFFFF)
    return mixed
