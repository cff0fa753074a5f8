"""Training of a quantized network by the cross-entropy of a tree on its levels (section 6.2).

Shape letters: B samples of a batch, N features.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from core.config import TrainConfig
from core.config.options import QuantizedDTOptions
from core.data.loader import Batch
from core.methods._descend import descend
from core.methods.quantized_dt._full import FullTree
from core.methods.quantized_dt._growth import Growth
from core.methods.quantized_dt._model import QuantizedDTModel
from core.methods.quantized_dt._stamps import StampTree
from core.pairs import gather_rows
from core.training import Method, Step, check_finite, sgd, share_batch_statistics

TREE_FILE = "stamps.json"


class QuantizedDT(Method):
    """F, q and a tree, trained by the tree's cross-entropy alone: no G, no sparsity, no S'.

    A growing tree counts the batch's levels and splits before the batch's loss is taken. It has the
    config's step size and momentum, a full one its own. Neither has weight decay, which would pull
    thresholds to 0.

    Parameters
    ----------
    config, model, optimizers
        As in `Method`; one optimizer, "all".
    growth
        Of a tree that grows; None for a full one.
    """

    model: QuantizedDTModel

    def __init__(
        self,
        config: TrainConfig,
        model: QuantizedDTModel,
        optimizers: dict[str, torch.optim.Optimizer],
        growth: Growth | None,
    ) -> None:
        self.config = config
        self.model = model
        self.optimizers = optimizers
        self._growth = growth

    @classmethod
    def create(
        cls, config: TrainConfig, *, in_channels: int, num_classes: int, device: torch.device
    ) -> Self:
        options = config.method_options
        if not isinstance(options, QuantizedDTOptions):
            raise TypeError(f"These are options of {options.method!r}.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = QuantizedDTModel(
                config, options, in_channels=in_channels, num_classes=num_classes
            )
        model = share_batch_statistics(model, device).to(device)
        tree = {"params": list(model.tree.parameters()), "scale": 1.0, "weight_decay": 0.0}
        growth = None
        if isinstance(model.tree, FullTree):
            tree["scale"] = options.tree_learning_rate / config.learning_rate
            tree["momentum"] = options.tree_momentum
        else:
            growth = Growth(
                options,
                num_features=config.feature_dim,
                num_levels=config.num_levels,
                num_classes=num_classes,
            )
        groups = [*model.extractor_parameter_groups(config), tree]
        return cls(config, model, {"all": sgd(config, groups)}, growth)

    def start_epoch(self, epoch: int) -> None:
        """Let counts of earlier epochs decay."""
        if epoch and self._growth is not None:
            self._growth.decay()

    def step(self, batch: Batch, at: Step) -> dict[str, float]:
        """Levels, growth where there is any, and one step of F and the tree."""
        tree, optimizer = self.model.tree, self.optimizers["all"]
        device = next(self.model.parameters()).device
        with at.timer.part("network"):
            levels_BN = self.model.levels(batch.images_BCHW.to(device))
            check_finite(levels_BN.detach().sum(), self.config, at)  # NaN has no level.
            if self._growth is not None and isinstance(tree, StampTree):
                self._growth.update(tree, *_of_all_workers(levels_BN, batch.labels_B.to(device)))
            parts = tree.losses(levels_BN, batch.labels_B.to(device), divisor=batch.global_size)
            loss = torch.stack([tree.weights[name] * part for name, part in parts.items()]).sum()
            return descend(loss, parts, [optimizer])

    def state_dict(self) -> dict[str, Any]:
        """The counts of a tree that grows."""
        return {} if self._growth is None else {"growth": self._growth.state_dict()}

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        if self._growth is not None:
            self._growth.load_state_dict(values["growth"])

    def write_files(self, folder: Path) -> None:
        """The tests of a tree that grows, from the root down, with what training made of them."""
        tree = self.model.tree
        if not isinstance(tree, StampTree):
            return
        leaves = set(tree.leaves())
        nodes = [
            {
                "node": node,
                "feature": int(tree.feature_M[node]),
                "threshold": tree.threshold_M[node].item(),
                "temperature": tree.log_temperature_M[node].exp().item(),
                "left": int(tree.left_M[node]),
                "right": int(tree.left_M[node]) + 1,
            }
            for node in range(int(tree.num_nodes))
            if node not in leaves
        ]
        (folder / TREE_FILE).write_text(json.dumps(nodes, indent=2))


def _of_all_workers(levels_BN: Tensor, labels_B: Tensor) -> tuple[Tensor, Tensor]:
    """Levels (uint8) and labels of the global batch, on the CPU."""
    labels_B8 = labels_B.contiguous().view(torch.uint8).reshape(len(labels_B), -1)
    rows = gather_rows(torch.cat([levels_BN.detach().to(torch.uint8), labels_B8], dim=1)).cpu()
    num_features = levels_BN.shape[1]
    labels_B8 = rows[:, num_features:].clone(memory_format=torch.contiguous_format)
    return rows[:, :num_features], labels_B8.view(torch.int64).flatten()
