"""Training of NTS-Net.

Shape letters: B samples of this worker, V views, D pooled features, K classes.
"""

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import NTSOptions
from core.data.loader import Batch
from core.distributed import local_rows
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._maps import check_map_config
from core.methods._options import options_of
from core.methods.nts._model import NTSModel
from core.methods.nts._navigator import rank_loss
from core.training import Step, mix_seeds, sgd, share_batch_statistics


class NTS(CalibratedMethod):
    """Four losses of weight 1, and one optimizer for what the public code has four for.

    "label" of image and parts together, "whole" of the image, "parts" of each part by itself, and
    "rank", by which the navigator learns what the parts' classifier finds easy.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; one optimizer, "all".
    """

    model: NTSModel

    def __init__(
        self, config: TrainConfig, model: NTSModel, optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._options = options_of(config, NTSOptions)

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_map_config(config)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = options_of(config, NTSOptions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = NTSModel(config, options, in_channels=in_channels, num_classes=num_classes)
        model = share_batch_statistics(model, device).to(device)
        navigator = list(model.navigator.parameters())
        groups = [
            *model.parameter_groups(config, model.trunk.map_parameters(), apart=navigator),
            {
                "params": navigator,
                "scale": options.navigator_learning_rate / config.learning_rate,
            },
        ]
        return cls(config, model, {"all": sgd(config, groups)})

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step of everything from one backward."""
        model, count = self.model, self._options.num_proposals
        device = next(model.parameters()).device
        labels_B = batch.labels_B.to(device)
        with at.timer.part("network"):
            views = model.views(model.normalized(batch.images_BCHW.to(device)), count=count)
            pooled_BVD = self._drop(views.pooled_BVD, at, global_size=batch.global_size)
            label = functional.cross_entropy(
                model.classifier(model.features(pooled_BVD)), labels_B, reduction="sum"
            )
            whole = functional.cross_entropy(
                model.whole(pooled_BVD[:, 0]), labels_B, reduction="sum"
            )
            errors_BM = functional.cross_entropy(
                model.part(pooled_BVD[:, 1:]).flatten(0, 1),
                labels_B.repeat_interleave(count),
                reduction="none",
            ).reshape(len(labels_B), count)
            parts = {
                "label": label / batch.global_size,
                "whole": whole / batch.global_size,
                "parts": errors_BM.sum() / (batch.global_size * count),
                "rank": rank_loss(views.scores_BM, errors_BM, divisor=batch.global_size),
            }
            return descend(torch.stack(list(parts.values())).sum(), parts, self.optimizers.values())

    def _drop(self, pooled_BVD: Tensor, at: Step, *, global_size: int) -> Tensor:
        """Dropout, drawn for the global batch, so that several workers drop what one would."""
        share = self._options.dropout
        generator = torch.Generator().manual_seed(mix_seeds(self.config.seed, at.epoch, at.index))
        shape = (global_size, *pooled_BVD.shape[1:])
        is_kept_BVD = torch.rand(shape, generator=generator)[local_rows(global_size)] >= share
        return pooled_BVD * is_kept_BVD.to(pooled_BVD) / (1 - share)
