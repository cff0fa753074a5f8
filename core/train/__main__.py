"""Train one model; see `core.train`."""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from core.command import OneLineParser, add_set_argument
from core.config import TrainConfig
from core.data import BUNDLED_DATASETS, PACKED_DATASETS, dataset_name, dataset_preset, load_dataset
from core.errors import ConfigError, CoreError
from core.train._signals import StopRequest, stop_requests

__all__ = ["main"]

EXIT_OK, EXIT_INTERRUPTED, EXIT_TERMINATED = 0, 130, 143


def main(argv: Sequence[str] | None = None) -> int:
    """Train a model; the command's entry point.

    Returns 0 when it is trained, 130 after Ctrl-C and 143 after SIGTERM; everything else exits with
    2 and one line that says what to mend.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    request = StopRequest()
    try:
        with stop_requests() as request:
            _run(options, console, request)
    except (CoreError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        console.print("Interrupted. Run the same command again to go on where it was.")
        return EXIT_TERMINATED if request.signal == signal.SIGTERM else EXIT_INTERRUPTED
    return EXIT_OK


def _run(options: argparse.Namespace, console: Console, request: StopRequest) -> None:
    # Imported here, with torch: help and a wrong flag are answered without it.
    import torch

    from core.train._progress import TrainingProgress
    from core.train._run import train_to_folder

    config = _config(options, console)
    _check_device(options.device)
    torch.set_num_threads(options.threads)
    dataset = load_dataset(
        config.dataset,
        data=options.data,
        images=config.image_options,
        split_seed=config.split_seed,
        cache_dir=options.cache_dir,
        loader_workers=options.loader_workers,
    )
    sizes = ", ".join(f"{len(split)} {name}" for name, split in dataset.splits())
    console.print(
        f"{escape(dataset.name)}: {dataset.num_classes} classes, images {dataset.image_shape}, "
        f"{sizes}"
    )
    progress = TrainingProgress(
        console,
        num_epochs=config.num_epochs,
        num_batches=-(-len(dataset.train) // config.batch_size),
    )
    with progress:
        result = train_to_folder(
            config,
            dataset,
            options.output,
            device=options.device,
            on_start=progress.start,
            on_batch=progress.batch,
            on_epoch=progress.epoch,
            should_stop=lambda: request.has_come,
        )
    _say_result(result, options.output, console)


def _config(options: argparse.Namespace, console: Console) -> TrainConfig:
    """The dataset's preset, then --set, then --seed; what holds is printed."""
    from core.backbones import check_backbone, pin_weights
    from core.methods import check_method

    given = dict(options.set)
    if options.seed is not None:
        if "seed" in given:
            raise ConfigError("The seed must be given once, by --seed or by --set seed=N.")
        given["seed"] = options.seed
    name = dataset_name(options.dataset, options.data)
    preset = dataset_preset(name, options.data)
    config = TrainConfig().replace({"dataset": name, **preset, **given})
    for whose, values in (
        (f"Preset '{name}'", {key: preset[key] for key in preset if key not in given}),
        ("Given", given),
    ):
        if values:
            shown = ", ".join(f"{key}={value}" for key, value in values.items())
            console.print(f"{escape(whose)}: {escape(shown)}")
    check_method(config)
    check_backbone(config)
    return pin_weights(config)


def _check_device(name: str) -> None:
    import torch

    try:
        torch.zeros(1, device=name)
    # A build without CUDA raises the latter.
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"--device must be one that torch can use here, but got {name!r}: {reason}"
        ) from error


def _say_result(result: Mapping[str, Any], folder: Path, console: Console) -> None:
    values: Mapping[str, float] = result["metrics"]

    def percent(key: str) -> str:
        return f"{100 * values[key]:.1f} %"

    line = f"Epoch {result['epoch'] + 1}: minival {percent('minival_accuracy')}, test "
    line += percent("test_accuracy")
    if "test_tree_accuracy" in values:
        line += f", its tree {percent('test_tree_accuracy')}"
    console.print(line)
    if "fidelity_score" in values:
        console.print(
            f"Fidelity {percent('fidelity_score')}, held-out {percent('fidelity_heldout')}, "
            f"floor {percent('fidelity_floor')}"
        )
    for what, why in result["absent"].items():
        console.print(f"No {what}: {why}.")
    console.print(f"Written: {escape(str(folder))}")
    if (folder / "extractor.json").exists():
        console.print(
            f"Use it: python -m core.extract {escape(str(folder))} PICTURES --output table.csv",
            soft_wrap=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m core.train",
        description="Train one model from a data set, into a folder that "
        "core.AttributeExtractor.load reads. Stopped and started again, it goes on where it was.",
        epilog="example: python -m core.train --data packed/birds --set num_epochs=50 --output "
        "models/birds",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help=f"bundled: {', '.join(BUNDLED_DATASETS)}; packed: {', '.join(PACKED_DATASETS)} "
        "(default: what --data holds)",
    )
    parser.add_argument(
        "--data", metavar="PATH", help="where `python -m core.data.pack` put a packed dataset"
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="folder of the model, new"
    )
    add_set_argument(parser)
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of weights, order and masks (default: 0)"
    )
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument(
        "--threads",
        type=_positive,
        default=1,
        metavar="N",
        help="of torch on the CPU, as in a sweep's trials; more pay for large trunks (default: 1)",
    )
    parser.add_argument(
        "--loader-workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that decode a packed dataset's images (default: 0, in this process)",
    )
    parser.add_argument(
        "--cache-dir",
        metavar="DIR",
        help="folder for drawn images and remote datasets (default: $INTERSECTION_CACHE, or "
        "~/.cache/intersection-regularization)",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, but got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
