"""Training of F with a soft decision tree (Frosst & Hinton, 2017).

Shape letters: B samples, N features, I inner nodes.
"""

from typing import Self

import torch

from core.config import TrainConfig
from core.config.options import SDTOptions
from core.data.loader import Batch
from core.methods._calibrated import CalibratedMethod
from core.methods._descend import descend
from core.methods._options import options_of
from core.methods._soft_tree import log_paths
from core.methods.sdt._model import SDTModel
from core.training import Step, sgd, share_batch_statistics


class SDT(CalibratedMethod):
    """F and the tree learn together from the expected cross-entropy and the balance penalty.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; the optimizers are "extractor" for F and "tree".
    """

    model: SDTModel

    def __init__(
        self, config: TrainConfig, model: SDTModel, optimizers: dict[str, torch.optim.Optimizer]
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._options = options_of(config, SDTOptions)

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = options_of(config, SDTOptions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = SDTModel(config, options, in_channels=in_channels, num_classes=num_classes)
        model = share_batch_statistics(model, device).to(device)
        tree = torch.optim.SGD(
            [
                {
                    "params": list(model.tree.parameters()),
                    "scale": options.tree_learning_rate / config.learning_rate,
                }
            ],
            lr=options.tree_learning_rate,
            momentum=options.tree_momentum,
        )
        extractor = sgd(config, model.extractor_parameter_groups(config))
        return cls(config, model, {"extractor": extractor, "tree": tree})

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """One step of F and the tree from one backward."""
        model, weight = self.model, self._options.balance_weight
        device = next(model.parameters()).device
        with at.timer.part("network"):
            features_BN = model.features(batch.images_BCHW.to(device))
            logits_BI = model.tree.logits(features_BN)
            paths = log_paths(logits_BI)
            label = model.tree.expected_loss(
                paths[-1], batch.labels_B.to(device), divisor=batch.global_size
            )
            parts = {"label": label}
            loss = label
            if weight:
                parts["balance"] = model.balance(logits_BI, paths)
                loss = label + weight * parts["balance"]
            return descend(loss, parts, self.optimizers.values())
