"""Everything that a run carries from one epoch to the next, and its checkpoint form."""

import itertools
import json
import math
from dataclasses import dataclass, field
from typing import Any

import torch

from core.config import TrainConfig
from core.distributed import world_size
from core.errors import ConfigError, DataError
from core.model import IntersectionModel, build_model
from core.tree import DecisionTree


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """Weights and tree at the end of an epoch."""

    epoch: int
    weights: dict[str, torch.Tensor]
    tree: DecisionTree


@dataclass(kw_only=True, eq=False)
class TrainState:
    """Model, optimisers and progress of a run.

    Make it with `create`, hand it to `core.algorithm.fit`, and save `state_dict()` between two of
    its results. A state that loads that dict goes on exactly as if it had never stopped: the order
    of the samples and the masks are functions of seed, epoch and step, not of a generator's past.
    """

    config: TrainConfig
    model: IntersectionModel
    extractor_optimizer: torch.optim.SGD
    classifier_optimizer: torch.optim.SGD
    epoch: int = 0
    """Epochs finished so far."""

    minival_accuracies: list[float] = field(default_factory=list)
    current: Snapshot | None = None
    previous: Snapshot | None = None
    reported_epoch: int | None = None
    """Once the run is over: the epoch whose weights and tree are its result, counted from 0."""

    @classmethod
    def create(
        cls,
        config: TrainConfig,
        *,
        in_channels: int,
        num_classes: int,
        device: torch.device | str = "cpu",
    ) -> "TrainState":
        """Initialise F, G and T (line 1 of Alg. 1) from the config's seed."""
        model = build_model(config, in_channels=in_channels, num_classes=num_classes)
        if world_size() > 1:
            model = _share_batch_statistics(model, torch.device(device))
        model = model.to(device)
        return cls(
            config=config,
            model=model,
            extractor_optimizer=_sgd(config, model.extractor_parameter_groups(config)),
            classifier_optimizer=_sgd(
                config, [{"params": list(model.classifier.parameters()), "scale": 1.0}]
            ),
        )

    @property
    def finished(self) -> bool:
        return self.reported_epoch is not None

    @property
    def tree(self) -> DecisionTree | None:
        """T at the end of the newest epoch, or of the reported one when the run is over."""
        return self.current.tree if self.current else None

    def set_learning_rate(self) -> None:
        """Apply the schedule for the epoch that is about to run."""
        config = self.config
        factor = 1.0
        if config.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * self.epoch / config.num_epochs))
        for optimizer in (self.extractor_optimizer, self.classifier_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * group["scale"] * factor

    def end_epoch(self, tree: DecisionTree, minival_accuracy: float) -> None:
        """Take the epoch's tree and accuracy; decide whether the run is over (section 6)."""
        self.previous = self.current
        weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.current = Snapshot(epoch=self.epoch, weights=weights, tree=tree)
        self.minival_accuracies.append(minival_accuracy)
        self.epoch += 1
        if self.previous and early_stop(self.minival_accuracies, self.config.drops_to_stop):
            self.current, self.previous = self.previous, None
            self.model.load_state_dict(self.current.weights)
            self.reported_epoch = self.current.epoch
        elif self.epoch >= self.config.num_epochs:
            self.reported_epoch = self.current.epoch

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors alone, so `torch.load(..., weights_only=True)` reads it."""
        return {
            "config": json.dumps(self.config.to_dict()),
            "model": self.model.state_dict(),
            "extractor_optimizer": self.extractor_optimizer.state_dict(),
            "classifier_optimizer": self.classifier_optimizer.state_dict(),
            "epoch": self.epoch,
            "minival_accuracies": list(self.minival_accuracies),
            "current": _pack(self.current),
            "previous": _pack(self.previous),
            "reported_epoch": self.reported_epoch,
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
                f"{self.config.hash}: give each run a folder of its own."
            )
        self.model.load_state_dict(values["model"])
        self.extractor_optimizer.load_state_dict(values["extractor_optimizer"])
        self.classifier_optimizer.load_state_dict(values["classifier_optimizer"])
        self.epoch = values["epoch"]
        self.minival_accuracies = list(values["minival_accuracies"])
        self.current = _unpack(values["current"])
        self.previous = _unpack(values["previous"])
        self.reported_epoch = values["reported_epoch"]


def early_stop(accuracies: list[float], drops_to_stop: int | None) -> bool:
    """Whether the newest accuracy is the drop that ends the run.

    Section 6: training goes on "until the second epoch for which the accuracy rate drops over a
    validation set"; a drop is an accuracy below that of the epoch before.

    Examples
    --------
    >>> early_stop([0.5, 0.4, 0.6, 0.55], drops_to_stop=2)
    True
    """
    if drops_to_stop is None:
        return False
    drops = [late < early for early, late in itertools.pairwise(accuracies)]
    return bool(drops) and drops[-1] and sum(drops) >= drops_to_stop


def _share_batch_statistics(model: IntersectionModel, device: torch.device) -> IntersectionModel:
    if not any(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in model.modules()):
        return model
    if device.type != "cuda":
        raise ConfigError(
            "A trunk with BatchNorm needs GPUs to share its statistics among several workers, but "
            f"the device is {device.type!r}: use `trunk_norm='group'`, or one worker."
        )
    synchronised: IntersectionModel = torch.nn.SyncBatchNorm.convert_sync_batchnorm(  # type: ignore[no-untyped-call]
        model
    )
    return synchronised


def _sgd(config: TrainConfig, groups: list[dict[str, object]]) -> torch.optim.SGD:
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )


def _pack(snapshot: Snapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    tree = json.dumps(snapshot.tree.to_dict())
    return {"epoch": snapshot.epoch, "weights": snapshot.weights, "tree": tree}


def _unpack(values: dict[str, Any] | None) -> Snapshot | None:
    if values is None:
        return None
    tree = DecisionTree.from_dict(json.loads(values["tree"]))
    return Snapshot(epoch=values["epoch"], weights=values["weights"], tree=tree)
