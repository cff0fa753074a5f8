"""Everything that a run carries from one epoch to the next, and its checkpoint form."""

import json
from dataclasses import dataclass, field
from typing import Any

import torch

from core.config import TrainConfig
from core.errors import DataError
from core.recognizer import Recognizer
from core.training._method import Method
from core.training._part import EpochPart
from core.training._stopping import early_stop
from core.tree import DecisionTree


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """Weights, tree and what else the method has, at the end of an epoch."""

    epoch: int
    weights: dict[str, torch.Tensor]
    tree: DecisionTree | None
    method: dict[str, Any]
    """`Method.state_dict()`."""


@dataclass(kw_only=True, eq=False)
class TrainState:
    """Networks, optimizers and progress of a run.

    Make it with `core.methods.create_state`, hand it to `fit`, and save `state_dict()` between two
    of its results, or between two batches (`fit`'s `after_batch`). A state that loads that dict
    goes on exactly as if it had never stopped: the order of the samples and every draw are
    functions of seed, epoch and step, not of a generator's past.
    """

    config: TrainConfig
    method: Method
    epoch: int = 0
    """Epochs finished so far."""

    part: EpochPart | None = None
    """Of the next epoch, what is behind; None between two epochs."""

    minival_accuracies: list[float] = field(default_factory=list)
    current: Snapshot | None = None
    """Of the newest epoch; of the reported one when the run is over."""

    previous: Snapshot | None = None
    """Of the epoch before it that early stopping looks at, which it may go back to."""

    reported_epoch: int | None = None
    """Once the run is over: the epoch whose weights and tree are its result, counted from 0."""

    @property
    def model(self) -> Recognizer:
        return self.method.model

    @property
    def finished(self) -> bool:
        return self.reported_epoch is not None

    @property
    def tree(self) -> DecisionTree | None:
        """T at the end of the newest epoch, or of the reported one when the run is over.

        None before the first epoch, and for a method without a tree.
        """
        return self.current.tree if self.current else None

    def end_epoch(self, tree: DecisionTree | None, minival_accuracy: float) -> None:
        """Take the epoch's tree and accuracy; decide whether the run is over (section 6)."""
        is_watched = self.method.is_watched
        if self.current and is_watched(self.current.epoch):
            self.previous = self.current
        weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.current = Snapshot(
            epoch=self.epoch, weights=weights, tree=tree, method=self.method.state_dict()
        )
        self.minival_accuracies.append(minival_accuracy)
        self.epoch += 1
        self.part = None
        drops = self.config.drops_to_stop
        watched = [x for epoch, x in enumerate(self.minival_accuracies) if is_watched(epoch)]
        if self.previous and is_watched(self.current.epoch) and early_stop(watched, drops):
            self.current, self.previous = self.previous, None
            self.method.load_state_dict(self.current.method)
            self.model.load_state_dict(self.current.weights)
            self.reported_epoch = self.current.epoch
        elif self.epoch >= self.config.num_epochs:
            self.reported_epoch = self.current.epoch

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors alone, so `torch.load(..., weights_only=True)` reads it."""
        return {
            "config": json.dumps(self.config.to_dict()),
            "model": self.model.state_dict(),
            "optimizers": {
                name: optimizer.state_dict() for name, optimizer in self.method.optimizers.items()
            },
            "method": self.method.state_dict(),
            "epoch": self.epoch,
            "part": None if self.part is None else self.part.state_dict(self.method),
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
            If the checkpoint was made by another config, or by a release without methods.
        """
        saved = TrainConfig.from_dict(json.loads(values["config"]))
        if saved.hash != self.config.hash:
            raise DataError(
                f"The checkpoint belongs to config {saved.hash}, but this run is config "
                f"{self.config.hash}: give each run a place of its own."
            )
        if "method" not in values:
            raise DataError(
                "The checkpoint is of an earlier release, which kept other parts of a run: finish "
                "the run with that release, or remove the checkpoint to begin anew."
            )
        self.method.load_state_dict(values["method"])
        self.model.load_state_dict(values["model"])
        for name, optimizer in self.method.optimizers.items():
            optimizer.load_state_dict(values["optimizers"][name])
        self.epoch = values["epoch"]
        part = values.get("part")  # absent in a checkpoint of an earlier release
        self.part = None if part is None else EpochPart.from_state_dict(part)
        self.minival_accuracies = list(values["minival_accuracies"])
        self.current = _unpack(values["current"])
        self.previous = _unpack(values["previous"])
        self.reported_epoch = values["reported_epoch"]


def _pack(snapshot: Snapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    tree = None if snapshot.tree is None else json.dumps(snapshot.tree.to_dict())
    return {
        "epoch": snapshot.epoch,
        "weights": snapshot.weights,
        "tree": tree,
        "method": snapshot.method,
    }


def _unpack(values: dict[str, Any] | None) -> Snapshot | None:
    if values is None:
        return None
    packed = values["tree"]
    tree = None if packed is None else DecisionTree.from_dict(json.loads(packed))
    return Snapshot(
        epoch=values["epoch"], weights=values["weights"], tree=tree, method=values["method"]
    )
