"""Training of an adaptive neural tree (Tanno et al., 2019): growth, then refinement.

Shape letters: B samples, M batches.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from core.backbones import check_maps
from core.config import TrainConfig
from core.config.options import ANTOptions
from core.data import Split
from core.data.loader import Batch
from core.distributed import rank, sum_over_workers, world_size
from core.errors import ConfigError
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._options import options_of
from core.methods.ant._growth import Growth
from core.methods.ant._model import ANTModel, mixture_loss
from core.training import EpochEnd, Step, share_batch_statistics


class ANT(CalibratedMethod):
    """The tree's shape is learnt with its weights.

    In growth the held-out part of the training images is not learnt from; in refinement all images
    are. Early stopping looks at refinement alone.

    Parameters
    ----------
    config, model
        As in `Method`. There is one optimizer, "all", made anew for each candidate and for
        refinement.
    """

    model: ANTModel
    optimizers: dict[str, torch.optim.Optimizer]

    def __init__(self, config: TrainConfig, model: ANTModel) -> None:
        self.config, self.model = config, model
        self._options = options_of(config, ANTOptions)
        self._growth = Growth(self._options, num_epochs=config.num_epochs, seed=config.seed)
        self._refined_from: int | None = None
        self._shape: tuple[int, int, int] | None = None
        self._held_out: Tensor | None = None
        self.optimizers = {}
        self._renew_optimizer()

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_maps(config)
        for name, value in (("accumulation_steps", 1), ("compile", False)):
            if getattr(config, name) != value:
                raise ConfigError(
                    f"`{name}` must be {value} for the method 'ant', which takes the trunk's maps, "
                    f"but got {getattr(config, name)!r}: leave it out."
                )

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = ANTModel(
                config,
                options_of(config, ANTOptions),
                in_channels=in_channels,
                num_classes=num_classes,
            )
        return cls(config, share_batch_statistics(model, device).to(device))

    def start_epoch(self, epoch: int) -> None:
        """Go on to the next candidate, or to refinement, where the last one is through."""
        if self._growth.advance(self.model, epoch=epoch, shape=self._shape):
            self._renew_optimizer()
        if self._growth.phase == "refine" and self._refined_from is None:
            self._refined_from = epoch

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step of what the phase trains; held-out images are not learnt from."""
        optimizer, device = self.optimizers["all"], next(self.model.parameters()).device
        with at.timer.part("network"):
            images_BCHW, labels_B = batch.images_BCHW, batch.labels_B
            count = batch.global_size
            if self._growth.phase != "refine":
                learnt_B = ~self._held_out_rows(at.num_train)[batch.rows_B]
                count = int(sum_over_workers(learnt_B.sum().to(device)))
                if count:
                    images_BCHW, labels_B = images_BCHW[learnt_B], labels_B[learnt_B]
                else:
                    return {"label": self._score(batch)}
            leaves = self.model.leaves(images_BCHW.to(device))
            loss = mixture_loss(leaves, labels_B.to(device)) / count
            return descend(loss, {"label": loss}, [optimizer])

    def end_epoch(self, at: EpochEnd) -> None:
        """Score the held-out images, where growth chooses by them, and calibrate."""
        self._shape = at.train.images.shape
        if self._growth.phase != "refine":
            with at.timer.part("validation"):
                self._growth.record(self._held_out_loss(at.train), self.model)
        super().end_epoch(at)

    def phase(self, epoch: int) -> str:
        """Growth until its share of the epochs is over, then refinement."""
        return "grow" if epoch < self._growth.last_epoch else "refine"

    def is_watched(self, epoch: int) -> bool:
        """Refinement alone: in growth, candidates come and go."""
        return self._refined_from is not None and epoch >= self._refined_from

    def state_dict(self) -> dict[str, Any]:
        return {
            "growth": self._growth.state_dict(self.model),
            "refined_from": self._refined_from,
            "shape": None if self._shape is None else list(self._shape),
        }

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        self._growth.load_state_dict(values["growth"], self.model)
        self._refined_from = values["refined_from"]
        shape = values["shape"]
        self._shape = None if shape is None else (shape[0], shape[1], shape[2])
        self._renew_optimizer()

    def _renew_optimizer(self) -> None:
        model = self.model
        scale = self._options.learning_rate / self.config.learning_rate
        if model.learning is not None:
            parts = [p for part in model.learning for p in part.parameters()]
            groups = [{"params": parts, "scale": scale}]
        else:
            trunk_scale = scale * self.config.trunk_learning_rate_scale
            groups = [
                {"params": model.trunk.map_parameters(), "scale": trunk_scale},
                {"params": list(model.tree.parameters()), "scale": scale},
            ]
        self.optimizers["all"] = torch.optim.Adam(groups, lr=self._options.learning_rate)

    def _held_out_rows(self, num_train: int) -> Tensor:
        """(num_train,) Which rows growth does not learn from: a function of the seed."""
        if self._held_out is None:
            count = min(max(round(num_train * self._options.holdout), 1), num_train - 1)
            order = np.random.default_rng([self.config.seed, num_train]).permutation(num_train)
            self._held_out = torch.zeros(num_train, dtype=torch.bool)
            self._held_out[torch.from_numpy(order[:count])] = True
        return self._held_out

    def _held_out_loss(self, train: Split) -> float:
        """Mean loss of the mixture over the held-out images, in evaluation mode, by all workers."""
        rows_N = self._held_out_rows(len(train)).nonzero().flatten().numpy()
        size = self.config.batch_size
        batches = [rows_N[start : start + size] for start in range(0, len(rows_N), size)]
        mine = range(rank(), len(batches), world_size())
        device = next(self.model.parameters()).device
        losses_M = torch.zeros(len(batches), device=device)
        self.model.eval()
        with torch.no_grad():
            images = train.images.batches([batches[index] for index in mine])
            for index, images_BCHW in zip(mine, images, strict=True):
                labels_B = torch.from_numpy(train.labels_N[batches[index]])
                leaves = self.model.leaves(images_BCHW.to(device))
                losses_M[index] = mixture_loss(leaves, labels_B.to(device))
        self.model.train()
        return sum_over_workers(losses_M).double().sum().item() / len(rows_N)

    def _score(self, batch: Batch) -> float:
        device = next(self.model.parameters()).device
        self.model.eval()
        with torch.no_grad():
            leaves = self.model.leaves(batch.images_BCHW.to(device))
            loss = mixture_loss(leaves, batch.labels_B.to(device)) / batch.global_size
        self.model.train()
        return sum_over_workers(loss).item()
