"""A trunk and an adaptive neural tree on its last map.

Shape letters: B samples, C channels, H height, W width, N hidden features, K classes, L leaves.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.backbones import keep_frozen, trunk_of
from core.config import TrainConfig
from core.config.options import ANTOptions
from core.methods._calibrated import Answer, CalibratedRecognizer
from core.methods.ant._tree import Leaf, NeuralTree
from core.model import normalize_images
from core.quantize import CalibratedQuantizer


class ANTModel(CalibratedRecognizer):
    """Its features are the solvers' hidden vectors, by the probabilities of their leaves.

    Parameters
    ----------
    config, in_channels, num_classes
        As in `core.model.FeatureNetwork`.
    options
        Of the tree.

    Raises
    ------
    ConfigError, DataError
        If the trunk cannot be built, or has no maps.
    """

    def __init__(
        self, config: TrainConfig, options: ANTOptions, *, in_channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.feature_dim, self.num_levels = config.feature_dim, config.num_levels
        self.num_classes = num_classes
        self.precision, self.channels_last = config.precision, config.channels_last
        self.frozen_stages = config.frozen_stages
        self.trunk = trunk_of(config, in_channels=in_channels)
        if self.trunk.map_channels is None:
            raise TypeError("`ANT.check` refuses a trunk without maps.")
        # Its own draws, which do not depend on the trunk's.
        torch.manual_seed(config.seed)
        last = self.trunk.map_channels[1]
        self.tree = NeuralTree(
            last,
            channels=min(options.width, last),
            hidden=config.feature_dim,
            num_classes=num_classes,
            norm=config.trunk_norm,
        )
        self.quantizer = CalibratedQuantizer(config.num_bits)
        self._is_routed = options.features == "routed"
        self.learning: list[nn.Module] | None = None
        """The parts of a candidate, in growth: all else is frozen. None where everything learns."""

    def leaves(self, images_BCHW: Tensor) -> list[Leaf]:
        """What all leaves say, float32."""
        x_BCHW = normalize_images(images_BCHW, channels_last=self.channels_last)
        is_frozen = self.training and self.learning is not None
        with torch.autocast(
            x_BCHW.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16"
        ):
            with torch.no_grad() if is_frozen else nullcontext():
                map_BCHW = self.trunk.maps(x_BCHW)[1]
            with self.tree.learning(self.learning or []) if is_frozen else nullcontext():
                leaves: list[Leaf] = self.tree(map_BCHW)
        return leaves

    def map_size(self, shape: tuple[int, int, int], node: int) -> tuple[int, int]:
        """Height and width of the map that a node sees of images of a shape."""
        was_training = self.training
        self.eval()
        with torch.no_grad():
            image_1CHW = torch.zeros(1, *shape, device=next(self.parameters()).device)
            size = self.tree.map_size(self.trunk.maps(image_1CHW)[1], node)
        self.train(was_training)
        return size

    def answer(self, images_BCHW: Tensor) -> Answer:
        """Features by all paths or the most probable one; classes are all paths' mixture."""
        leaves = self.leaves(images_BCHW)
        log_paths_BL = torch.stack([leaf.log_path_B for leaf in leaves], dim=1)
        weights_BL = log_paths_BL.exp()
        if self._is_routed:
            chosen_B = log_paths_BL.argmax(1)
            weights_BL = functional.one_hot(chosen_B, len(leaves)).to(weights_BL.dtype)
        hidden_BLN = torch.stack([leaf.solved.hidden_BN for leaf in leaves], dim=1)
        features_BN = (weights_BL[:, :, None] * hidden_BLN).sum(1)

        def classify(x_BN: Tensor) -> Tensor:
            logits = [self.tree.solver(leaf.node).classifier(x_BN) for leaf in leaves]
            logits_BLK = torch.stack(logits, dim=1)
            return (weights_BL[:, :, None] * logits_BLK.softmax(2)).sum(1)

        return Answer(features_BN, classify, mixture(leaves))

    def grow_like(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the tree's shape."""
        shape_M2 = weights.get("tree.children_M2")
        if shape_M2 is not None:
            self.tree.grow_like(shape_M2)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **named: Any) -> Any:
        """Load the weights of a tree of any shape, which this one then has."""
        self.grow_like(state_dict)
        return super().load_state_dict(state_dict, *args, **named)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        if mode and self.learning is not None:
            self.trunk.eval()
            self.tree.eval()
            for part in self.learning:
                part.train()
        elif self.frozen_stages:
            keep_frozen(self.trunk)
        return self


def mixture(leaves: list[Leaf]) -> Tensor:
    """(B, K) Classes of all leaves, by the probabilities of their paths."""
    parts = [leaf.log_path_B.exp()[:, None] * leaf.solved.logits_BK.softmax(1) for leaf in leaves]
    return torch.stack(parts).sum(0)


def mixture_loss(leaves: list[Leaf], labels_B: Tensor) -> Tensor:
    """-log of the mixture's probability of the label, summed over the batch."""
    parts = [
        leaf.log_path_B
        - functional.cross_entropy(leaf.solved.logits_BK, labels_B, reduction="none")
        for leaf in leaves
    ]
    return -torch.logsumexp(torch.stack(parts), dim=0).sum()
