"""Training of a network of diverse features (Norrenbrock et al., "Take 5", 2022).

Shape letters: B samples, N features, H height, W width, K classes.
"""

from typing import Self

import torch

from core.config import TrainConfig
from core.config.options import DiversityOptions
from core.data.loader import Batch
from core.losses import label_loss
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._maps import check_map_config
from core.methods._options import options_of
from core.methods.diversity._loss import diversity_loss
from core.methods.diversity._model import DiversityModel
from core.training import Step, sgd, share_batch_statistics


class Diversity(CalibratedMethod):
    """Cross-entropy and the diversity of features: the dense phase alone.

    The 50 features that SLDD-Model and Q-SENN then select, and their sparse classifiers, are no
    part of it: this is the network whose 1024 features stand beside those of other rows.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; one optimizer, "all".
    """

    model: DiversityModel

    def __init__(
        self,
        config: TrainConfig,
        model: DiversityModel,
        optimizers: dict[str, torch.optim.Optimizer],
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._options = options_of(config, DiversityOptions)

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_map_config(config)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = options_of(config, DiversityOptions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = DiversityModel(
                config, options, in_channels=in_channels, num_classes=num_classes
            )
        model = share_batch_statistics(model, device).to(device)
        new = [*model.projection.parameters(), *model.classifier.parameters()]
        groups = [model.trunk_parameter_group(config), {"params": new, "scale": 1.0}]
        return cls(config, model, {"all": sgd(config, groups)})

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step from both losses."""
        model, weight = self.model, self._options.diversity_weight
        device = next(model.parameters()).device
        with at.timer.part("network"):
            maps_BNHW = model.feature_maps(batch.images_BCHW.to(device))
            logits_BK = model.classifier(maps_BNHW.mean((2, 3)))
            divisor = batch.global_size
            loss = label_loss(logits_BK, batch.labels_B.to(device), divisor=divisor)
            parts = {"label": loss}
            if weight:
                parts["diversity"] = diversity_loss(
                    maps_BNHW, logits_BK, model.classifier.weight, divisor=divisor
                )
                loss = loss + weight * parts["diversity"]
            return descend(loss, parts, self.optimizers.values())
