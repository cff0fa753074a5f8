"""What suits a dataset better than the paper's defaults, by dataset name.

A preset is printed whenever it is used. Its tree is as deep as a leaf for each class takes, and
its weights of tree and sparsity, where they are not the paper's, were chosen on minival accuracy
alone, each the largest within one point of the best (`sweep.ablation_lambdas`).
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from core.config._train_config import TrainConfig

_PMG: Mapping[str, Any] = MappingProxyType(
    {
        "trunk": "pmg:resnet50",
        "weights": "hub",
        "resize_size": 550,
        "crop_size": 448,
        "augmentation": "crop_flip",
    }
)
"""The paper's extractor, its first weights, and the sizes of its images. PMG's optimiser is what
TrainConfig defaults to."""

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "digits": MappingProxyType(
            {
                "feature_dim": 64,
                "hidden_dim": 64,
                "trunk_width": 16,
                "trunk_learning_rate_scale": 1.0,
                "max_depth": 4,
                "num_epochs": 15,
                "batch_size": 32,
                "learning_rate": 0.02,
                "drops_to_stop": None,
            }
        ),
        "field_guide": MappingProxyType(
            {
                "feature_dim": 128,
                "hidden_dim": 128,
                "trunk_width": 16,
                "trunk_learning_rate_scale": 1.0,
                "tree_weight": 2.0,
                "sparsity_weight": 0.003,
                "max_depth": 5,
                "num_epochs": 30,
                "batch_size": 32,
                "learning_rate": 0.05,
                "drops_to_stop": None,
            }
        ),
        "kanji": MappingProxyType(
            {
                "feature_dim": 128,
                "hidden_dim": 128,
                "trunk_width": 24,
                "trunk_learning_rate_scale": 1.0,
                "max_depth": 7,
                "num_epochs": 30,
                "batch_size": 32,
                "learning_rate": 0.05,
                "drops_to_stop": None,
            }
        ),
        "cub": _PMG,
        "awa2": MappingProxyType({**_PMG, "max_depth": 6}),
        "apascal": MappingProxyType({**_PMG, "max_depth": 5}),
        "ayahoo": MappingProxyType({**_PMG, "max_depth": 4}),
    }
)

_SMALLEST_SIDE, _LARGEST_SIDE = 8, 64
"""Pixels that the small conv net is made for."""

_FEWEST_STEPS = 500


def own_preset(*, num_classes: int, num_train: int, side: int) -> Mapping[str, Any]:
    """What to start from on a data set of one's own: field_guide's preset at its size and depth.

    Parameters
    ----------
    num_classes
        The tree is as deep as a leaf for each takes.
    num_train
        Images to train on. Few get more epochs, up to four times as many, for 500 steps.
    side
        Pixels of the shorter side of most of its images. They are brought to this, to at most 64,
        and cut to their square centre.

    Examples
    --------
    >>> preset = own_preset(num_classes=12, num_train=400, side=500)
    >>> preset["resize_size"], preset["max_depth"], preset["num_epochs"]
    (64, 4, 40)
    """
    like = PRESETS["field_guide"]
    size = min(max(side, _SMALLEST_SIDE), _LARGEST_SIDE)
    for_steps = math.ceil(_FEWEST_STEPS * like["batch_size"] / max(num_train, 1))
    return MappingProxyType(
        {
            **like,
            "num_epochs": min(max(for_steps, like["num_epochs"]), 4 * like["num_epochs"]),
            "resize_size": size,
            "crop_size": size,
            "max_depth": max(1, math.ceil(math.log2(max(num_classes, 1)))),
        }
    )


def preset_config(dataset: str) -> TrainConfig:
    """The config to start from on a dataset: its preset over the paper's defaults."""
    return TrainConfig().replace({"dataset": dataset, **PRESETS.get(dataset, {})})
