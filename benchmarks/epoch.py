"""Where the seconds of an epoch of Alg. 1 go, with T brought up to date and with T grown anew.

    python -m benchmarks.epoch                  # digits, field_guide and a set in CUB's size
    python -m benchmarks.epoch --sets digits

`cub-sized` has generated 8x8 images of 200 classes, and 1024 features, 16 levels, batches of 16 and
a tree of depth 8, as in the paper; its trunk is the small conv net, so data and F cost less than
they would there. `--samples` makes it smaller.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from core.config import TrainConfig, preset_config
from core.data import Dataset, Split, load_dataset
from core.methods import create_state
from core.methods.intersection import Intersection
from core.pairs import Pairs
from core.training import fit
from core.tree import DecisionTree, fit_tree

SETS = ("digits", "field_guide", "cub-sized")


class RefittedPairs(Pairs):
    """S' over which T is grown from scratch at every batch, as Alg. 1 is written."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self.clear()

    def clear(self) -> None:
        self._levels: list[Tensor] = []
        self._probabilities: list[Tensor] = []

    def add(self, levels_BD: Tensor, probabilities_BK: Tensor) -> None:
        self._levels.append(levels_BD.to(torch.uint8))
        self._probabilities.append(probabilities_BK)

    def tree(self) -> DecisionTree:
        return fit_tree(
            torch.cat(self._levels).numpy(),
            torch.cat(self._probabilities).numpy(),
            num_levels=self._config.num_levels,
            max_depth=self._config.max_depth,
            criterion=self._config.tree_criterion,
        )


def main() -> None:
    arguments = _parse_arguments()
    torch.set_num_threads(arguments.threads)
    print(f"{'set':12} {'T':14} " + " ".join(f"{part:>10}" for part in (*PARTS, "epoch")))
    for name in arguments.sets:
        dataset, config = _dataset(name, arguments.samples)
        for kind in ("up to date", "anew"):
            pairs = (
                Pairs(config, num_classes=dataset.num_classes)
                if kind == "up to date"
                else RefittedPairs(config)
            )
            seconds = _epoch_seconds(dataset, config, pairs)
            cells = " ".join(f"{seconds[part]:10.3f}" for part in PARTS)
            print(f"{name:12} {kind:14} {cells} {sum(seconds.values()):10.3f}", flush=True)


PARTS = ("data", "F", "quantizer", "G", "tree", "rest", "validation")
"""`rest`: losses, backward passes and updates."""


def _epoch_seconds(dataset: Dataset, config: TrainConfig, pairs: Pairs) -> dict[str, float]:
    """Seconds by part of the second epoch: the first one also compiles and warms up."""
    state = create_state(
        config, in_channels=dataset.image_shape[0], num_classes=dataset.num_classes
    )
    method = state.method
    assert isinstance(method, Intersection)
    method.pairs = pairs
    epochs = fit(state, dataset)
    next(epochs)
    model = method.model
    with (
        _forward_seconds(model.trunk, model.projection) as extractor,
        _forward_seconds(model.quantizer) as quantizer,
        _forward_seconds(model.classifier) as classifier,
    ):
        result = next(epochs)
    forward = {"F": extractor[0], "quantizer": quantizer[0], "G": classifier[0]}
    return {
        **forward,
        "data": result.seconds["data"],
        "tree": result.seconds["tree"],
        "validation": result.seconds["validation"],
        "rest": result.seconds["network"] - sum(forward.values()),
    }


@contextmanager
def _forward_seconds(*modules: nn.Module) -> Iterator[list[float]]:
    """Add up the time that modules spend in their forward passes while they train."""
    total, begun = [0.0], [0.0]

    def before(module: nn.Module, _: object) -> None:
        begun[0] = time.perf_counter()

    def after(module: nn.Module, *_: object) -> None:
        if module.training:
            total[0] += time.perf_counter() - begun[0]

    handles = [module.register_forward_pre_hook(before) for module in modules]
    handles += [module.register_forward_hook(after) for module in modules]
    try:
        yield total
    finally:
        for handle in handles:
            handle.remove()


def _dataset(name: str, num_samples: int) -> tuple[Dataset, TrainConfig]:
    if name != "cub-sized":
        config = preset_config(name)
        return load_dataset(name, split_seed=config.split_seed), config.replace({"num_epochs": 2})
    config = TrainConfig().replace(
        {"num_epochs": 2, "feature_dim": 1024, "max_depth": 8, "batch_size": 16, "num_bits": 4}
    )
    return _generated(num_samples), config


def _generated(num_samples: int) -> Dataset:
    generator = np.random.default_rng(0)
    means_KP = generator.integers(0, 256, size=(200, 64))

    def split(count: int) -> Split:
        labels_N = generator.integers(0, 200, count)
        noisy_NP = means_KP[labels_N] + generator.normal(0, 40, size=(count, 64))
        return Split(
            images_NCHW=noisy_NP.clip(0, 255).astype(np.uint8).reshape(count, 1, 8, 8),
            labels_N=labels_N,
            attributes_NA=np.ones((count, 1), dtype=np.bool_),
        )

    return Dataset(
        name="cub-sized",
        class_names=tuple(str(k) for k in range(200)),
        attribute_names=("none",),
        train=split(num_samples),
        minival=split(200),
        test=split(200),
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.epoch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument(
        "--samples",
        type=int,
        default=5994,
        metavar="N",
        help="samples of the generated set (default: CUB's 5994)",
    )
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
