"""How an adaptive neural tree grows: what is trained next, and what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from core.config.options import ANTOptions
from core.methods.ant._model import ANTModel
from core.methods.ant._parts import SMALLEST_SIDE
from core.training import mix_seeds

Candidate = Literal["split", "extend"]
Phase = Literal["root", "split", "extend", "refine"]
_NUM_CHILDREN = {"split": 2, "extend": 1}


def decide(gain_split: float, gain_extend: float) -> Candidate | None:
    """Which candidate a leaf gets; None to keep it as it is.

    A gain is by how much the held-out loss of the whole tree falls.
    """
    if gain_extend > gain_split and gain_extend > 0:
        return "extend"
    return "split" if gain_split > 0 else None


@dataclass
class Trial:
    """The training of the root or of a candidate, and its best epoch."""

    epochs: int = 0
    since_best: int = 0
    loss: float = float("inf")
    weights: list[dict[str, torch.Tensor]] = field(default_factory=list)
    """Of each part that learns, in the best epoch."""

    def record(self, loss: float, parts: list[nn.Module]) -> None:
        """Take in an epoch's held-out loss."""
        self.epochs += 1
        self.since_best += 1
        if loss < self.loss:
            self.loss, self.since_best = loss, 0
            self.weights = [
                {name: tensor.clone() for name, tensor in part.state_dict().items()}
                for part in parts
            ]

    def restore(self, parts: list[nn.Module]) -> None:
        """Put the best epoch's weights into parts of the same kind."""
        for part, weights in zip(parts, self.weights, strict=True):
            part.load_state_dict(weights)

    def is_over(self, *, node_epochs: int, patience: int) -> bool:
        return self.epochs >= node_epochs or self.since_best >= patience


class Growth:
    """The root is trained alone; then each leaf of a layer gets a split and an extension to try.

    Of a candidate only the new parts learn. The better one stays if it lowers the held-out loss of
    the tree; a layer in which any leaf changed is followed by another. At the end everything is
    trained together ("refine").

    Parameters
    ----------
    options
        Of growth.
    num_epochs
        Of the whole run.
    seed
        For fresh parts, whose first weights depend on it, the leaf and the candidate alone.
    """

    def __init__(self, options: ANTOptions, *, num_epochs: int, seed: int) -> None:
        self._options, self._seed = options, seed
        self.last_epoch = int(num_epochs * options.growth_share)
        self._node_epochs = options.node_epochs or max(self.last_epoch // 10, 1)
        self.phase: Phase = "root"
        self._node = 0
        self._queue: list[int] = []
        self._tried: list[int] = []
        self._has_changed = False
        self._tree_loss = float("inf")
        self._trial = Trial()
        self._split = Trial()
        self._solver: nn.Module | None = None
        """Of the leaf that a candidate stands in the place of."""

    def record(self, loss: float, model: ANTModel) -> None:
        """Take in the held-out loss at the end of an epoch."""
        self._trial.record(loss, self._parts(model))

    def advance(self, model: ANTModel, *, epoch: int, shape: tuple[int, int, int] | None) -> bool:
        """Go on to what an epoch is to train, before it begins; whether that is something new.

        Parameters
        ----------
        model
            Its tree changes, and its `learning`.
        epoch
            Counted from 0.
        shape
            Of the images; None before the first epoch.
        """
        is_last = epoch >= self.last_epoch
        is_over = self._trial.is_over(
            node_epochs=self._node_epochs, patience=self._options.patience
        )
        if self.phase == "refine" or not (is_last or is_over):
            return False
        if self.phase == "root":
            self._tree_loss = self._trial.loss
            if self._trial.weights:
                self._trial.restore(self._parts(model))
            self._queue = [0]
            self._next(model, is_last=is_last)
            return True
        candidate, self._trial = self._trial, Trial()
        was_split = self.phase == "split"
        self._detach(model)
        if was_split:
            self._split = candidate
            can_extend = (
                shape is not None and min(model.map_size(shape, self._node)) >= SMALLEST_SIDE
            )
            if can_extend and not is_last:
                self._attach(model, "extend")
                return True
        self._choose(model, self._split, Trial() if was_split else candidate)
        self._next(model, is_last=is_last)
        return True

    def state_dict(self, model: ANTModel) -> dict[str, Any]:
        """Plain values and copies of tensors."""
        return {
            "children": model.tree.children_M2.clone(),
            "phase": self.phase,
            "node": self._node,
            "queue": list(self._queue),
            "tried": list(self._tried),
            "has_changed": self._has_changed,
            "tree_loss": self._tree_loss,
            "trial": _pack(self._trial),
            "split": _pack(self._split),
            "solver": None
            if self._solver is None
            else {name: tensor.clone() for name, tensor in self._solver.state_dict().items()},
        }

    def load_state_dict(self, values: Mapping[str, Any], model: ANTModel) -> None:
        """Take over `state_dict()`'s form; the tree takes its shape, not its weights."""
        self.phase, self._node = values["phase"], values["node"]
        self._queue, self._tried = list(values["queue"]), list(values["tried"])
        self._has_changed, self._tree_loss = values["has_changed"], values["tree_loss"]
        self._trial, self._split = Trial(**values["trial"]), Trial(**values["split"])
        self._solver = None
        if values["solver"] is not None:
            with torch.random.fork_rng(devices=[]):
                self._solver = model.tree.fresh_solver().to(model.tree.children_M2.device)
            self._solver.load_state_dict(values["solver"])
        model.tree.grow_like(values["children"])
        model.learning = self._parts(model) if self.phase in _NUM_CHILDREN else None

    def _parts(self, model: ANTModel) -> list[nn.Module]:
        if self.phase == "root":
            return [model.trunk, model.tree.root, model.tree.solvers["0"]]
        return model.tree.parts_below(self._node)

    def _next(self, model: ANTModel, *, is_last: bool) -> None:
        while not is_last:
            while self._queue:
                self._node = self._queue.pop(0)
                self._tried.append(self._node)
                if model.tree.depth(self._node) < self._options.max_depth:
                    self._attach(model, "split")
                    return
            if not self._has_changed:
                break
            self._has_changed = False
            self._queue = [leaf for leaf in model.tree.leaves() if leaf not in self._tried]
        self.phase, self._queue, self._trial, self._split = "refine", [], Trial(), Trial()
        model.learning = None

    def _attach(self, model: ANTModel, candidate: Candidate) -> None:
        self._solver = model.tree.solvers[str(self._node)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix_seeds(self._seed, self._node + 1, _NUM_CHILDREN[candidate]))
            model.tree.attach(self._node, num_children=_NUM_CHILDREN[candidate])
        self.phase, self._trial = candidate, Trial()
        model.learning = self._parts(model)

    def _detach(self, model: ANTModel) -> None:
        if self._solver is None:
            raise RuntimeError("A candidate keeps the solver of its leaf.")
        model.tree.detach(self._node, self._solver)
        self._solver = None

    def _choose(self, model: ANTModel, split: Trial, extend: Trial) -> None:
        before = self._tree_loss
        choice = decide(before - split.loss, before - extend.loss)
        self._split = Trial()
        if choice is None:
            return
        chosen = split if choice == "split" else extend
        model.tree.attach(self._node, num_children=_NUM_CHILDREN[choice])
        chosen.restore(model.tree.parts_below(self._node))
        self._tree_loss, self._has_changed = chosen.loss, True


def _pack(trial: Trial) -> dict[str, Any]:
    weights = [{name: tensor.clone() for name, tensor in part.items()} for part in trial.weights]
    return {
        "epochs": trial.epochs,
        "since_best": trial.since_best,
        "loss": trial.loss,
        "weights": weights,
    }
