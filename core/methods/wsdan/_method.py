"""Training of WS-DAN.

Shape letters: B samples of this worker, C channels, H height, W width.
"""

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import WSDANOptions
from core.data.loader import Batch
from core.distributed import local_rows
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._maps import check_map_config
from core.methods._options import options_of
from core.methods.wsdan._model import WSDANModel, num_maps_for
from core.methods.wsdan._regions import boxes_of, cropped, draw_maps, dropped, on_image
from core.training import Step, mix_seeds, sgd, share_batch_statistics

_CROP = (0.4, 0.6)
_DROP = (0.2, 0.5)
"""Range of the share of the largest attention from which a pixel is cropped to, or dropped."""

_CROP_PADDING = 0.1


class WSDAN(CalibratedMethod):
    """Each image is learnt as it is, cropped to a part that is attended to, and without one.

    The loss is the mean of the three cross-entropies, plus the centre loss of the whole image. No
    gradient flows through boxes and masks. A step takes three forwards.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; one optimizer, "all".
    """

    model: WSDANModel

    def __init__(
        self, config: TrainConfig, model: WSDANModel, optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._center_weight = options_of(config, WSDANOptions).center_weight

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_map_config(config)
        num_maps_for(config.feature_dim)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = options_of(config, WSDANOptions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = WSDANModel(config, options, in_channels=in_channels, num_classes=num_classes)
        model = share_batch_statistics(model, device).to(device)
        scaled = [*model.hidden.parameters(), *model.classifier.parameters()]
        groups = [
            *model.parameter_groups(config, model.trunk.map_parameters(), apart=scaled),
            {"params": scaled, "scale": options.classifier_learning_rate / config.learning_rate},
        ]
        return cls(config, model, {"all": sgd(config, groups)})

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step of everything from one backward; then the centres follow."""
        model = self.model
        device = next(model.parameters()).device
        labels_B = batch.labels_B.to(device)

        def cross_entropy(logits_BK: Tensor) -> Tensor:
            return functional.cross_entropy(logits_BK, labels_B, reduction="sum") / (
                batch.global_size
            )

        with at.timer.part("network"):
            x_BCHW = model.normalized(batch.images_BCHW.to(device))
            seen = model.look(x_BCHW)
            cropped_BCHW, dropped_BCHW = self._augment(
                x_BCHW, seen.attention_BMHW.detach(), at, global_size=batch.global_size
            )
            parts = {
                "label": cross_entropy(model.logits(seen)),
                "crop": cross_entropy(model.logits(model.look(cropped_BCHW))),
                "drop": cross_entropy(model.logits(model.look(dropped_BCHW))),
            }
            loss = torch.stack(list(parts.values())).mean()
            if self._center_weight:
                parts["center"] = model.centers(seen.pooled_BD, labels_B, divisor=batch.global_size)
                loss = loss + self._center_weight * parts["center"]
            losses = descend(loss, parts, self.optimizers.values())
            if self._center_weight:
                model.centers.move(seen.pooled_BD.detach(), labels_B)
        return losses

    def _augment(
        self, x_BCHW: Tensor, attention_BMHW: Tensor, at: Step, *, global_size: int
    ) -> tuple[Tensor, Tensor]:
        """The images cropped and dropped by a map each, drawn with replacement."""
        # Drawn for the global batch, so that several workers see what one would.
        generator = torch.Generator().manual_seed(mix_seeds(self.config.seed, at.epoch, at.index))
        uniform_4B = torch.rand(4, global_size, generator=generator)[:, local_rows(global_size)]
        uniform_4B = uniform_4B.to(x_BCHW.device)
        height, width = x_BCHW.shape[2:]
        crop_BHW, drop_BHW = (
            on_image(draw_maps(attention_BMHW, uniform_B), (height, width))
            for uniform_B in uniform_4B[:2]
        )
        crop_B, drop_B = (
            low + (high - low) * uniform_B
            for (low, high), uniform_B in zip((_CROP, _DROP), uniform_4B[2:], strict=True)
        )
        boxes_B4 = boxes_of(crop_BHW, crop_B, padding=_CROP_PADDING)
        return cropped(x_BCHW, boxes_B4), dropped(x_BCHW, drop_BHW, drop_B)
