"""First weights for a PMG trunk, in a file that `weights=FILE` then loads.

``python -m core.jigsaw --dataset field_guide --set trunk=pmg:resnet18 --out jigsaw.safetensors``
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from core.config import FIELD_NAMES, did_you_mean
from core.data import load_dataset
from core.errors import CoreError
from core.jigsaw._file import pretrain_to_file
from core.jigsaw._pretrain import JigsawEpoch
from core.presets import preset_config


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
    config = preset_config(options.dataset).replace(dict(options.set))
    dataset = load_dataset(options.dataset, root=options.data, split_seed=config.split_seed)
    state = pretrain_to_file(
        config, dataset, options.out, device=options.device, on_epoch=_say_epoch
    )
    loaded = state.trunk.loaded_weights
    if loaded and loaded.left_out:
        _say(f"Of {loaded.path} these were left out: {', '.join(loaded.left_out)}")
    _say(f"{options.out}: weights of trunk={config.trunk}, for weights={options.out}")


def _say_epoch(result: JigsawEpoch) -> None:
    losses = " ".join(f"{loss:.4f}" for loss in result.losses)
    _say(f"epoch {result.epoch}: losses {losses}, minival accuracy {result.minival_accuracy:.4f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong without the usage in front."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="python -m core.jigsaw",
        description="Train a PMG trunk on jigsaw pieces and whole images, as PMG's authors do, and "
        "write its weights for `weights=FILE`. Stopped and started again, it goes on after the "
        "newest whole epoch.",
        epilog="example: python -m core.jigsaw --dataset field_guide --set trunk=pmg:resnet18 "
        "--set num_epochs=20 --out jigsaw.safetensors",
        allow_abbrev=False,
    )
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--data", metavar="DIR", help="folder of a dataset that is not bundled")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="file to write: .safetensors"
    )
    parser.add_argument(
        "--set",
        action="append",
        type=_assignment,
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of TrainConfig, on top of the dataset's preset; may be repeated",
    )
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    return parser


def _assignment(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"must be FIELD=VALUE, but got {text!r}")
    if key not in FIELD_NAMES:
        raise argparse.ArgumentTypeError(f"{key!r} is no field of TrainConfig.{did_you_mean(key)}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value  # a plain word, such as pmg:resnet18


if __name__ == "__main__":
    sys.exit(main())
