"""Training of Region Grouping.

Shape letters: B samples of this worker.
"""

from typing import Self

import torch
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import RegionGroupingOptions
from core.data.loader import Batch
from core.distributed import world_size
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._maps import check_map_config
from core.methods._options import options_of
from core.methods.region_grouping._model import RegionGroupingModel
from core.methods.region_grouping._occurrence import occurrence, prior_loss
from core.training import Step, sgd, share_batch_statistics


class RegionGrouping(CalibratedMethod):
    """Cross-entropy, and a loss on how often each part occurs in the images of a batch.

    That loss is one of the whole batch: several workers compare all their images with the prior.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; one optimizer, "all".
    """

    model: RegionGroupingModel

    def __init__(
        self,
        config: TrainConfig,
        model: RegionGroupingModel,
        optimizers: dict[str, torch.optim.Optimizer],
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._options = options_of(config, RegionGroupingOptions)

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_map_config(config)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = RegionGroupingModel(
                config,
                options_of(config, RegionGroupingOptions),
                in_channels=in_channels,
                num_classes=num_classes,
            )
        model = share_batch_statistics(model, device).to(device)
        groups = model.parameter_groups(config, model.trunk.first_map_parameters())
        return cls(config, model, {"all": sgd(config, groups)})

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step of everything from one backward."""
        model, options = self.model, self._options
        device = next(model.parameters()).device
        labels_B = batch.labels_B.to(device)
        with at.timer.part("network"):
            grouped = model.group(model.normalized(batch.images_BCHW.to(device)))
            label = functional.cross_entropy(
                model.classifier(grouped.features_BN), labels_B, reduction="sum"
            )
            parts = {"label": label / batch.global_size}
            loss = parts["label"]
            if options.prior_weight:
                parts["prior"] = (
                    prior_loss(
                        occurrence(grouped.assigned_BPHW),
                        global_size=batch.global_size,
                        alpha=options.prior_alpha,
                        beta=options.prior_beta,
                    )
                    / world_size()
                )
                loss = loss + options.prior_weight * parts["prior"]
            return descend(loss, parts, self.optimizers.values())
