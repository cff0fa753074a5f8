"""Training of ProtoPNet (Chen et al., "This Looks Like That", 2019).

Shape letters: B samples, D channels, H height, W width, N prototypes, M training images.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import ProtoPNetOptions
from core.data.loader import Batch
from core.distributed import world_size
from core.errors import ConfigError
from core.losses import label_loss
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._maps import check_map_config
from core.methods._options import options_of
from core.methods.protopnet._last_layer import all_similarities, fit_last_layer
from core.methods.protopnet._losses import cluster_loss, separation_loss, wrong_class_norm
from core.methods.protopnet._model import ProtoPNetModel
from core.methods.protopnet._prototypes import similarity
from core.methods.protopnet._push import Patches, push
from core.methods.protopnet._schedule import Schedule
from core.training import EpochEnd, Step, share_batch_statistics

PROTOTYPES_FILE = "prototypes.json"


class ProtoPNet(CalibratedMethod):
    """Prototypes alone, then with the trunk; pushed onto patches; the last layer after each push.

    Unlike the public code, everything that is fixed in a phase is in evaluation mode in it, so
    statistics of BatchNorm stay where weights do. Early stopping compares epochs that end with a
    push. Pruning of prototypes is no part of it.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; the optimizers are "trunk", "prototypes", which has the layers under them as
        well, and "last_layer".
    """

    model: ProtoPNetModel

    def __init__(
        self,
        config: TrainConfig,
        model: ProtoPNetModel,
        optimizers: dict[str, torch.optim.Optimizer],
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._options = options_of(config, ProtoPNetOptions)
        self._schedule = Schedule.of(
            self._options,
            num_epochs=config.num_epochs,
            has_first_weights=config.weights is not None,
        )
        self._scales = {
            name: [group["scale"] for group in optimizers[name].param_groups]
            for name in ("trunk", "prototypes")
        }
        self._patches: Patches | None = None

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_map_config(config)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = options_of(config, ProtoPNetOptions)
        if num_classes < 2:
            raise ConfigError(
                "The method 'protopnet' must have two classes or more, since prototypes keep away "
                f"from other classes, but got {num_classes}: use other data."
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = ProtoPNetModel(
                config, options, in_channels=in_channels, num_classes=num_classes
            )
        model = share_batch_statistics(model, device).to(device)
        rate, decay = options.prototype_learning_rate, options.network_weight_decay
        scale = rate / config.learning_rate
        add_on = {"params": list(model.add_on.parameters()), "scale": scale, "weight_decay": decay}
        prototypes = torch.optim.Adam(
            [add_on, {"params": [model.prototypes_ND], "scale": scale}], lr=rate
        )
        trunk = torch.optim.Adam(
            [model.trunk_parameter_group(config, scale=scale)], lr=rate, weight_decay=decay
        )
        last = options.last_layer_learning_rate
        last_layer = torch.optim.Adam(
            [{"params": [model.last_layer_KN], "scale": last / config.learning_rate}], lr=last
        )
        optimizers: dict[str, torch.optim.Optimizer] = {
            "trunk": trunk,
            "prototypes": prototypes,
            "last_layer": last_layer,
        }
        return cls(config, model, optimizers)

    def start_epoch(self, epoch: int) -> None:
        """Let step sizes fall, beside the config's schedule."""
        decay = self._schedule.decay(epoch)
        for name, scales in self._scales.items():
            for group, scale in zip(self.optimizers[name].param_groups, scales, strict=True):
                group["scale"] = scale * decay

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step of prototypes, of the layers under them, and but for the warm-up of the trunk.

        The last layer is read and not trained.
        """
        model, options = self.model, self._options
        is_warm = self._schedule.is_warm(at.epoch)
        device = model.prototypes_ND.device
        with at.timer.part("network"):
            labels_B = batch.labels_B.to(device)
            map_BDHW = model.patches(batch.images_BCHW.to(device), train_trunk=not is_warm)
            distances_BN = model.distances(map_BDHW)
            last_layer_KN = model.last_layer_KN.detach()
            logits_BK = functional.linear(similarity(distances_BN), last_layer_KN)
            of_batch = (distances_BN, labels_B, model.class_of_N)
            parts = {
                "label": label_loss(logits_BK, labels_B, divisor=batch.global_size),
                "cluster": cluster_loss(*of_batch, divisor=batch.global_size),
                "separation": separation_loss(*of_batch, divisor=batch.global_size),
                # All workers have the whole of it.
                "last_layer_sparsity": wrong_class_norm(last_layer_KN, model.class_of_N)
                / world_size(),
            }
            loss = (
                parts["label"]
                + options.cluster_weight * parts["cluster"]
                - options.separation_weight * parts["separation"]
                + options.last_layer_sparsity_weight * parts["last_layer_sparsity"]
            )
            active = [
                self.optimizers[name]
                for name in (("prototypes",) if is_warm else ("prototypes", "trunk"))
            ]
            return descend(loss, parts, active)

    def end_epoch(self, at: EpochEnd) -> None:
        """Push and fit the last layer where it is time, and calibrate."""
        if self._schedule.ends_with_push(at.epoch):
            with at.timer.part("network"):
                self._push(at)
        super().end_epoch(at)

    def phase(self, epoch: int) -> str:
        """Warm-up or training, with or without a push at its end."""
        name = "warm" if self._schedule.is_warm(epoch) else "train"
        return f"{name}, push" if self._schedule.ends_with_push(epoch) else name

    def is_watched(self, epoch: int) -> bool:
        """Only what a push and the last layer's fit left is a network that the method reports."""
        return self._schedule.ends_with_push(epoch)

    def _push(self, at: EpochEnd) -> None:
        model, options, config = self.model, self._options, self.config
        was_training = model.training
        model.eval()
        self._patches = push(model, at.train, batch_size=config.batch_size)
        optimizer = self.optimizers["last_layer"]
        for group in optimizer.param_groups:
            # The schedule's last epochs would leave nothing of it.
            group["lr"] = options.last_layer_learning_rate
        fit_last_layer(
            model,
            optimizer,
            all_similarities(model, at.train, batch_size=config.batch_size),
            torch.from_numpy(at.train.labels_N).to(model.prototypes_ND.device),
            num_epochs=options.last_layer_epochs,
            batch_size=config.batch_size,
            sparsity_weight=options.last_layer_sparsity_weight,
            seed=(config.seed, at.epoch),
        )
        model.train(was_training)

    def state_dict(self) -> dict[str, Any]:
        """Where prototypes came from, once they were pushed."""
        return {"patches": None if self._patches is None else dict(self._patches._asdict())}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        patches = values["patches"]
        self._patches = None if patches is None else Patches(**patches)

    def write_files(self, folder: Path) -> None:
        """The range; and each prototype's class and patch, with the distinct patches of a class.

        Several prototypes of a class can be one and the same patch.
        """
        super().write_files(folder)
        if self._patches is None:
            return
        classes = self.model.class_of_N.tolist()
        found, places = (values.tolist() for values in self._patches)
        prototypes = [
            {"class": of_class, "row": row, "cell": [y, x]}
            if is_found
            else {"class": of_class, "row": None, "cell": None}
            for of_class, is_found, (row, y, x) in zip(classes, found, places, strict=True)
        ]
        distinct = {
            of_class: len({(p["row"], *p["cell"]) for p in prototypes if p["class"] == of_class})
            for of_class in sorted({p["class"] for p in prototypes if p["row"] is not None})
        }
        values = {"prototypes": prototypes, "distinct_patches": distinct}
        (folder / PROTOTYPES_FILE).write_text(json.dumps(values, indent=2))
