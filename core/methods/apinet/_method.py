"""Training of API-Net (Zhuang, Wang, Qiao, "Learning Attentive Pairwise Interaction", 2020).

Shape letters: B samples, N features, P pairs, K classes.
"""

from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import APINetOptions
from core.data.loader import Batch
from core.distributed import sum_over_workers
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._options import options_of
from core.methods.apinet._model import APINetModel
from core.methods.apinet._pairs import pairs_of, probability_of, rank_loss
from core.methods.apinet._sampler import BalancedBatches
from core.training import Step, sgd, share_batch_statistics


class APINet(CalibratedMethod):
    """Cross-entropy of both images of each pair by both gates, and the rank of the two gates.

    The trunk's weights stay in the first epochs, while its statistics of BatchNorm move, as in the
    public code; early stopping does not look at them.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; the optimizers are "trunk" and "head".
    """

    why_not_several_workers = (
        "Partners are looked for among a worker's own images, of which one worker has more."
    )

    model: APINetModel

    def __init__(
        self, config: TrainConfig, model: APINetModel, optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._options = options_of(config, APINetOptions)
        self._num_frozen = self._options.frozen_epochs(config.num_epochs)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = options_of(config, APINetOptions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = APINetModel(config, options, in_channels=in_channels, num_classes=num_classes)
        model = share_batch_statistics(model, device).to(device)
        trunk, new = model.extractor_parameter_groups(config)
        of_pairs = [*model.mutual.parameters(), *model.classifier.parameters()]
        head = [new, {"params": of_pairs, "scale": 1.0}]
        return cls(config, model, {"trunk": sgd(config, [trunk]), "head": sgd(config, head)})

    def batch_sampler(self, labels_N: npt.NDArray[np.int64]) -> BalancedBatches:
        """Batches of a few classes with a few images each."""
        return BalancedBatches(
            labels_N,
            classes=self._options.classes_per_batch,
            samples=self._options.samples_per_class,
            seed=self.config.seed,
        )

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step from the pairs of a batch; in the first epochs the trunk makes none."""
        model, options = self.model, self._options
        device = next(model.parameters()).device
        with at.timer.part("network"):
            features_BN = model.features(batch.images_BCHW.to(device))
            labels_B = batch.labels_B.to(device)
            first_P, second_P = pairs_of(features_BN, labels_B)
            num_pairs = int(sum_over_workers(torch.tensor(len(first_P), device=device)))
            logits = model.pair_logits(features_BN[first_P], features_BN[second_P])
            labels_1P, labels_2P = labels_B[first_P], labels_B[second_P]
            labels_4P = torch.cat([labels_1P, labels_1P, labels_2P, labels_2P])
            probability_4P = probability_of(torch.cat(logits), labels_4P)
            own_1P, other_1P, own_2P, other_2P = probability_4P.chunk(4)
            label = functional.cross_entropy(torch.cat(logits), labels_4P, reduction="sum")
            parts = {"label": label / (4 * num_pairs)}
            loss = parts["label"]
            if options.rank_weight:
                parts["rank"] = rank_loss(
                    torch.cat([own_1P, own_2P]),
                    torch.cat([other_1P, other_2P]),
                    margin=options.margin,
                    divisor=2 * num_pairs,
                )
                loss = loss + options.rank_weight * parts["rank"]
            names = ("head",) if at.epoch < self._num_frozen else ("head", "trunk")
            return descend(loss, parts, [self.optimizers[name] for name in names])

    def is_watched(self, epoch: int) -> bool:
        """Not while the trunk's weights stay."""
        return epoch >= self._num_frozen
