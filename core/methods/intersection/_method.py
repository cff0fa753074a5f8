"""Alg. 1: train F and G, and grow T from scratch over S' at every batch.

Shape letters: B samples of a batch, N features, K classes.
"""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from core.config import TrainConfig
from core.data.loader import Batch
from core.distributed import sum_gradients, sum_over_workers
from core.losses import bernoulli_mask
from core.methods.intersection._objective import Objective
from core.model import IntersectionModel, build_model
from core.pairs import Pairs
from core.training import (
    EpochEnd,
    Method,
    Step,
    check_finite,
    mix_seeds,
    sgd,
    share_batch_statistics,
)
from core.tree import DecisionTree


class Intersection(Method):
    """F, q and G trained to agree with T (section 5).

    The rows of Table 1 that have no tree or no sparsity loss are this method with the weight of
    that loss at 0: then T is grown once an epoch, for its numbers, and no loss sees it.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; the optimizers are "extractor" for F and "classifier" for G.
    pairs
        What keeps S' and grows T.
    """

    model: IntersectionModel

    def __init__(
        self,
        config: TrainConfig,
        model: IntersectionModel,
        optimizers: dict[str, torch.optim.Optimizer],
        pairs: Pairs,
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self.pairs = pairs

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        """Initialise F, G and T (line 1)."""
        model = build_model(config, in_channels=in_channels, num_classes=num_classes)
        model = share_batch_statistics(model, device).to(device)
        optimizers: dict[str, torch.optim.Optimizer] = {
            "extractor": sgd(config, model.extractor_parameter_groups(config)),
            "classifier": sgd(
                config, [{"params": list(model.classifier.parameters()), "scale": 1.0}]
            ),
        }
        return cls(config, model, optimizers, Pairs(config, num_classes=num_classes))

    def start_epoch(self, epoch: int) -> None:
        """Empty S' (lines 4 and 5)."""
        self.pairs.clear()

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """Lines 7 to 13. T is not grown where no loss needs it."""
        config, model = self.config, self.model
        device = next(model.parameters()).device
        objective = Objective(config, batch, device, num_train=at.num_train)
        with at.timer.part("network"):
            levels_BN = model.levels(batch.images_BCHW.to(device))  # line 9
            logits_BK = model.classify(levels_BN.detach())
            # Checked before the tree sees them: NaN has no level.
            check_finite(objective.label_loss(logits_BK), config, at)
            self.pairs.add(levels_BN.detach(), logits_BK.detach().softmax(1))  # line 10

        tree_probabilities_BK = torch.zeros_like(logits_BK)
        if config.tree_weight:
            with at.timer.part("tree"):  # lines 7 and 11
                tree_probabilities_BK = self.pairs.tree_probabilities(levels_BN).to(logits_BK)

        with at.timer.part("network"):
            generator = torch.Generator().manual_seed(mix_seeds(config.seed, at.epoch, at.index))
            mask_N = bernoulli_mask(
                config.feature_dim, config.mask_probability, generator=generator
            ).to(device)
            if config.update == "sequential":
                self._step_classifier(objective.eq6(logits_BK, tree_probabilities_BK))
            parts = self._step_extractor(objective, levels_BN, tree_probabilities_BK, mask_N)
            label, soft, sparse = sum_over_workers(torch.stack(parts)).tolist()
        losses = {"label": label}
        if config.tree_weight:
            losses["tree"] = soft
        if config.has_sparsity_loss:
            losses["sparsity"] = sparse
        return losses

    def end_epoch(self, at: EpochEnd) -> DecisionTree:
        """T over the whole S' of the epoch."""
        with at.timer.part("tree"):
            return self.pairs.tree()

    def epoch_state_dict(self) -> dict[str, Any]:
        """S' so far."""
        return {"pairs": self.pairs.rows()}

    def load_epoch_state_dict(self, values: Mapping[str, Any]) -> None:
        """Fill S' again."""
        self.pairs.extend(values["pairs"])

    def _step_classifier(self, loss: Tensor) -> None:
        """Line 12: G alone. The logits came from detached levels, so F gets no gradient."""
        optimizer = self.optimizers["classifier"]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        sum_gradients(self.model.classifier.parameters())
        optimizer.step()

    def _step_extractor(
        self,
        objective: Objective,
        levels_BN: Tensor,
        tree_probabilities_BK: Tensor,
        mask_N: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Line 13: F with the updated G; with `update="joint"` F and G from one backward."""
        config, model = self.config, self.model
        joint = config.update == "joint"
        optimizers = [self.optimizers["extractor"]]
        if joint:
            optimizers.append(self.optimizers["classifier"])
        for optimizer in optimizers:
            optimizer.zero_grad()
        model.classifier.requires_grad_(joint)
        logits_BK = model.classify(levels_BN)
        label = objective.label_loss(logits_BK)
        soft = objective.tree_loss(logits_BK, tree_probabilities_BK)
        sparse = objective.eq7(levels_BN, mask_N)
        loss = (
            config.label_weight * label
            + config.tree_weight * soft
            + config.sparsity_weight * sparse
        )
        loss.backward()  # type: ignore[no-untyped-call]
        model.classifier.requires_grad_(True)
        for optimizer in optimizers:
            sum_gradients(p for group in optimizer.param_groups for p in group["params"])
            optimizer.step()
        return label.detach(), soft.detach(), sparse.detach()
