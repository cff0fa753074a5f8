"""First weights for a PMG trunk, in a file that `weights=FILE` then loads.

``python -m core.jigsaw --dataset field_guide --set trunk=pmg:resnet18 --output jigsaw.safetensors``
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.command import OneLineParser, add_set_argument
from core.config import TrainConfig
from core.data import DATASETS, dataset_name, dataset_preset, load_dataset
from core.errors import CoreError
from core.jigsaw._file import model_of, pretrain_to_file
from core.training import EpochResult


def main(argv: Sequence[str] | None = None) -> int:
    """Pretrain a trunk; the command's entry point."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        _run(options)
    except CoreError as error:
        parser.error(str(error))
    return 0


def _run(options: argparse.Namespace) -> None:
    name = dataset_name(options.dataset, options.data)
    preset = dataset_preset(name, options.data)
    config = TrainConfig().replace({"dataset": name, **preset, **dict(options.set)})
    dataset = load_dataset(
        name,
        data=options.data,
        images=config.image_options,
        split_seed=config.split_seed,
        loader_workers=options.loader_workers,
    )
    state = pretrain_to_file(
        config, dataset, options.output, device=options.device, on_epoch=_say_epoch
    )
    loaded = model_of(state).trunk.loaded_weights
    if loaded and loaded.left_out:
        _say(f"Of {loaded.path} these were left out: {', '.join(loaded.left_out)}")
    _say(f"{options.output}: weights of trunk={config.trunk}, for weights={options.output}")


def _say_epoch(result: EpochResult) -> None:
    losses = " ".join(f"{loss:.4f}" for loss in result.losses.values())
    _say(f"epoch {result.epoch}: losses {losses}, minival accuracy {result.minival_accuracy:.4f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m core.jigsaw",
        description="Train a PMG trunk on jigsaw pieces and whole images, as PMG's authors do, and "
        "write its weights for `weights=FILE`. Stopped and started again, it goes on after the "
        "newest whole epoch.",
        epilog="example: python -m core.jigsaw --dataset field_guide --set trunk=pmg:resnet18 "
        "--set num_epochs=20 --output jigsaw.safetensors",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset", help=f"one of {', '.join(DATASETS)} (default: what --data holds)"
    )
    parser.add_argument("--data", metavar="PATH", help="where a packed dataset lies")
    parser.add_argument(
        "--loader-workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that decode a packed dataset's images (default: 0, in this process)",
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="FILE", help="file to write: .safetensors"
    )
    add_set_argument(parser)
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
