"""Training of DFL-CNN.

Shape letters: B samples of this worker, C channels, H height, W width, M filters, K classes.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import DFLOptions
from core.data import Split
from core.data.loader import Batch
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._maps import check_map_config, classes_of_units
from core.methods._options import options_of
from core.methods.dfl._model import DFLModel
from core.methods.dfl._patches import first_filters
from core.methods.dfl._whiten import cross_class_cosine, unit_rows, whitened
from core.training import Step, Timer, sgd, share_batch_statistics

BANK_FILE = "bank.json"


class DFL(CalibratedMethod):
    """Two streams and a branch beside them learn together, each from a cross-entropy.

    Losses: "label" of the filters' stream (or of the joint classifier), "whole" of the image's, and
    "side" of the branch that ties filters to classes, which alone has a weight.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; one optimizer, "all".
    """

    model: DFLModel

    def __init__(
        self, config: TrainConfig, model: DFLModel, optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._start: dict[str, float | int | None] = {}
        """What the first filters came to."""

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_map_config(config)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        classes_of_units(config.feature_dim, num_classes)  # refuses before a trunk is built
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = DFLModel(
                config,
                options_of(config, DFLOptions),
                in_channels=in_channels,
                num_classes=num_classes,
            )
        model = share_batch_statistics(model, device).to(device)
        groups = model.parameter_groups(config, model.trunk.map_parameters())
        return cls(config, model, {"all": sgd(config, groups)})

    def prepare(self, train: Split, timer: Timer) -> None:
        """Set the first filters, in one more pass over the training images.

        Every worker does all of it, and gets the same.
        """
        options, model = options_of(self.config, DFLOptions), self.model
        if options.first_filters == "random" or model.bank.is_set:
            return
        device = next(model.parameters()).device

        def first_map(images_BCHW: Tensor) -> Tensor:
            return model.first_map(model.normalized(images_BCHW.to(device)))

        was_training = model.training
        model.eval()
        with timer.part("network"), torch.no_grad():
            found = first_filters(
                first_map,
                train,
                model.bank.class_N.cpu().numpy(),
                batch_size=self.config.batch_size,
                seed=self.config.seed,
            )
        model.train(was_training)
        filters_MC = found.centers_MC
        class_M = model.bank.class_N.cpu().numpy()[found.filter_M]
        self._start = {"cosine_of_patches": cross_class_cosine(filters_MC, class_M)}
        if options.whiten:
            filters_MC = whitened(filters_MC, found.patches_PC, found.class_P)
        self._start["cosine"] = cross_class_cosine(filters_MC, class_M)
        num_random = len(model.bank.class_N) - len(class_M)
        self._start["random_filters"] = num_random
        if num_random:
            warnings.warn(
                f"{num_random} of {len(model.bank.class_N)} filters begin at random: the training "
                "images of their classes have too few different cells.",
                stacklevel=2,
            )
        model.bank.set_filters(
            torch.from_numpy(unit_rows(filters_MC)), torch.from_numpy(found.filter_M)
        )

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step of everything from one backward."""
        model = self.model
        device = next(model.parameters()).device
        labels_B = batch.labels_B.to(device)
        with at.timer.part("network"):
            parts = {
                name: functional.cross_entropy(logits_BK, labels_B, reduction="sum")
                / batch.global_size
                for name, logits_BK in model.logits(
                    model.streams(batch.images_BCHW.to(device))
                ).items()
            }
            weights = {"side": model.side_weight}
            loss = torch.stack([weights.get(name, 1.0) * part for name, part in parts.items()])
            return descend(loss.sum(), parts, self.optimizers.values())

    def write_files(self, folder: Path) -> None:
        """The range; and how alike the first filters of different classes were, before they were
        whitened and after, where they began at patches.
        """
        super().write_files(folder)
        if self._start:
            (folder / BANK_FILE).write_text(json.dumps(self._start, indent=2))

    def state_dict(self) -> dict[str, Any]:
        """What the first filters came to; the filters themselves are weights."""
        return {"start": dict(self._start)}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take over `state_dict()`'s form."""
        self._start = dict(values["start"])
