"""Training of PIP-Net (Nauta et al., "Patch-Based Intuitive Prototypes", 2023).

Shape letters: B samples, N prototypes, H height, W width, K classes.
"""

from typing import Self

import numpy as np
import torch
from torch import Tensor

from core.config import TrainConfig
from core.config.options import PIPNetOptions
from core.data.loader import Batch
from core.distributed import rank, world_size
from core.losses import label_loss
from core.methods._descend import descend
from core.methods._maps import check_map_config
from core.methods._options import options_of
from core.methods.pipnet._losses import align_loss, tanh_loss
from core.methods.pipnet._model import PIPNetModel
from core.methods.pipnet._views import draw_factors, view
from core.training import Method, Step, mix_seeds, share_batch_statistics


class PIPNet(Method):
    """Prototypes that agree on two views and all occur; first without labels, then with them.

    Without labels the weight of the alignment rises to 1 and the classifier stays; its loss is told
    all the same. Unlike the public code, a trunk that is fixed is in evaluation mode, and no weight
    of the classifier is made smaller beside its gradient.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; the optimizers are "trunk", "prototypes" and "head".
    """

    model: PIPNetModel

    def __init__(
        self, config: TrainConfig, model: PIPNetModel, optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._options = options_of(config, PIPNetOptions)
        self._num_without_labels = self._options.without_labels(config.num_epochs)
        self._num_frozen = self._options.frozen_epochs(config.num_epochs)

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_map_config(config)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = options_of(config, PIPNetOptions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = PIPNetModel(config, options, in_channels=in_channels, num_classes=num_classes)
        model = share_batch_statistics(model, device).to(device)

        rate, head_rate = options.prototype_learning_rate, options.head_learning_rate
        scale = rate / config.learning_rate
        prototypes = {"params": list(model.prototypes.parameters()), "scale": scale}
        head = {"params": [model.classifier_KN], "scale": head_rate / config.learning_rate}
        optimizers: dict[str, torch.optim.Optimizer] = {
            "trunk": torch.optim.Adam([model.trunk_parameter_group(config, scale=scale)], lr=rate),
            "prototypes": torch.optim.Adam([prototypes], lr=rate),
            "head": torch.optim.Adam([head], lr=head_rate),
        }
        return cls(config, model, optimizers)

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step from two views of each image of the batch."""
        model, options = self.model, self._options
        has_labels = at.epoch >= self._num_without_labels
        is_frozen = at.epoch < self._num_frozen
        device = model.classifier_KN.device
        with at.timer.part("network"):
            views_2BCHW = self._two_views(batch, at, device)
            cells_2BNHW = model.cells(views_2BCHW, train_trunk=not is_frozen)
            first_BNHW, second_BNHW = cells_2BNHW.chunk(2)
            presence_2BN = cells_2BNHW.amax((2, 3))
            first_BN, second_BN = presence_2BN.chunk(2)
            with torch.set_grad_enabled(has_labels):
                label = label_loss(
                    model.scores(presence_2BN),
                    batch.labels_B.to(device).repeat(2),
                    divisor=2 * batch.global_size,
                )
            parts = {
                "label": label,
                "align": align_loss(first_BNHW, second_BNHW, divisor=batch.global_size),
                "tanh": (tanh_loss(first_BN) + tanh_loss(second_BN)) / 2,
            }
            if has_labels:
                loss = (
                    options.class_weight * parts["label"]
                    + options.align_weight * parts["align"]
                    + options.tanh_weight * parts["tanh"]
                )
            else:
                ramp = (at.epoch + 1) / self._num_without_labels
                loss = ramp * parts["align"] + options.pretrain_tanh_weight * parts["tanh"]
            is_active = {"trunk": not is_frozen, "prototypes": True, "head": has_labels}
            active = [self.optimizers[name] for name, is_on in is_active.items() if is_on]
            losses = descend(loss, parts, active)
            with torch.no_grad():
                model.classifier_KN.clamp_(min=0)
        return losses

    def phase(self, epoch: int) -> str:
        """With labels or without, the trunk learning or fixed."""
        name = "train" if epoch >= self._num_without_labels else "pretrain"
        return f"{name}, fixed trunk" if epoch < self._num_frozen else name

    def is_watched(self, epoch: int) -> bool:
        """Only once there are labels."""
        return epoch >= self._num_without_labels

    def _two_views(self, batch: Batch, at: Step, device: torch.device) -> Tensor:
        """(2 B, C, H, W) A view of each image, then another of each.

        Drawn for the global batch, so that workers change no image's views.
        """
        generator = torch.Generator().manual_seed(mix_seeds(self.config.seed, at.epoch, at.index))
        mine = np.array_split(np.arange(batch.global_size), world_size())[rank()]
        images_BCHW = batch.images_BCHW.to(device)
        if images_BCHW.dtype == torch.uint8:
            images_BCHW = images_BCHW.float() / 255
        views = []
        for _ in range(2):
            factors_G4 = draw_factors(
                batch.global_size, strength=self._options.view_strength, generator=generator
            )
            views.append(view(images_BCHW, factors_G4[torch.from_numpy(mine)].to(device)))
        return torch.cat(views)
