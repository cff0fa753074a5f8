"""The flags that every sweep shares, and what they say."""

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

from core.command import add_set_argument
from core.data import BUNDLED_DATASETS, PACKED_DATASETS, dataset_name
from core.errors import ConfigError
from sweep.engine.data import DataPlaces, parse_places, split_place
from sweep.engine.options import RunOptions
from sweep.engine.placement import Placement
from sweep.errors import SweepError

DEFAULT_DATASET = "digits"


def command_parser(description: str) -> argparse.ArgumentParser:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return argparse.ArgumentParser(
        # Before Python 3.12 argparse shows the file's name, which is not how these are called.
        prog=f"python -m {spec.name}" if spec else None,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_run_flags(
    parser: argparse.ArgumentParser, *, with_seeds: bool = True, with_dataset: bool = True
) -> argparse.ArgumentParser:
    """Add every shared flag. A test freezes this list."""
    what = parser.add_argument_group("what to run")
    if with_dataset:
        what.add_argument(
            "--dataset",
            metavar="NAME",
            help=f"bundled: {', '.join(BUNDLED_DATASETS)}; packed: {', '.join(PACKED_DATASETS)}, "
            f"or what --data holds (default: what --data holds, else {DEFAULT_DATASET})",
        )
    what.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="where `python -m core.data.pack` put a packed dataset: a folder that all nodes have, "
        "s3:// or gs://; without --dataset it is what is trained on; with NAME= for another one, "
        "and may be repeated",
    )
    if with_seeds:
        what.add_argument(
            "--seeds",
            type=positive,
            metavar="N",
            help="seeds 0 to N-1 for every arm (default: the sweep's own, 3 for most)",
        )
    add_set_argument(what)
    what.add_argument(
        "--dry-run",
        action="store_true",
        help="print the trials, of packed datasets also what they should cost on a GPU, and stop",
    )
    what.add_argument(
        "--teraflops",
        type=_above_zero,
        metavar="N",
        help="what a GPU sustains, in 10^12 operations a second, for --dry-run's estimate "
        "(default: 23 for fp32 and 62 for bf16, as an A100 may)",
    )

    what.add_argument(
        "--measures",
        nargs="*",
        metavar="NAME",
        help="show these measures in the tables as well, such as one_to_one; without a name, all "
        "that there are. Every trial has them, so a finished sweep is only read again",
    )

    where = parser.add_argument_group("where results go")
    where.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="figures, tables and the embedded MLflow store (default: runs; in a submitted job, "
        "whose own folder is temporary, ~/intersection-runs)",
    )
    where.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow server, or sqlite:///FILE (default: sqlite file in --output)",
    )
    where.add_argument(
        "--storage",
        metavar="URI",
        help="checkpoints of running trials: a folder that all nodes share, s3:// or gs:// "
        "(default: folder in --output)",
    )

    how = parser.add_argument_group("on what to run")
    how.add_argument(
        "--address",
        help="Ray cluster to join, or local (default: $RAY_ADDRESS, where the last `ray start` of "
        "this machine ran, or local)",
    )
    how.add_argument(
        "--executor",
        choices=("auto", "actor", "train"),
        default="auto",
        help="actor: a trial in one reused process; train: a Ray Train worker group "
        "(default: train for whole GPUs or several workers, else actor)",
    )
    how.add_argument(
        "--cpus-per-trial", dest="cpus", type=positive, default=1, metavar="N", help="a worker"
    )
    how.add_argument(
        "--gpus-per-trial",
        dest="gpus",
        type=_non_negative,
        default=0.0,
        metavar="N",
        help="a worker",
    )
    how.add_argument(
        "--workers-per-trial",
        dest="workers",
        type=positive,
        default=1,
        metavar="N",
        help="processes that share a trial's batches (default: 1)",
    )
    how.add_argument(
        "--loader-workers",
        type=_count,
        default=0,
        metavar="N",
        help="processes that decode a packed dataset's images, for each worker and beside its "
        "CPUs (default: 0, the worker decodes)",
    )
    how.add_argument(
        "--max-concurrent",
        type=positive,
        metavar="N",
        help="trials at once (default: all that fit)",
    )
    how.add_argument(
        "--retries",
        type=_count,
        default=0,
        metavar="N",
        help="start a trial that lost its process or node again from its checkpoint, at most N "
        "times; an error that would come again is not tried again (default: 0)",
    )
    how.add_argument(
        "--checkpoint-seconds",
        type=_non_negative,
        default=60.0,
        metavar="N",
        help="most work of a trial that a kill may cost: it is saved so often inside an epoch, and "
        "at the end of each epoch that takes a second (default: 60)",
    )
    how.add_argument(
        "--take-over",
        action="store_true",
        help="drive a sweep that another driver seems to drive: one that is dead, or will be",
    )
    how.add_argument(
        "--wait-for-nodes",
        action="store_true",
        help="do not refuse what the cluster cannot place yet: it grows on demand",
    )
    return parser


def settle_dataset(options: argparse.Namespace) -> None:
    """Fill in which dataset a sweep trains on: --dataset, or what --data holds, or the default.

    Raises
    ------
    ConfigError, DataError
        If --data holds several, or no packed dataset.
    """
    if options.dataset is not None:
        return
    bare = [text for text in options.data if split_place(text)[0] is None]
    if len(bare) > 1:
        raise ConfigError(
            f"--data gives {' and '.join(bare)}: say with --dataset which to train on, and give "
            "the others as NAME=PATH."
        )
    options.dataset = dataset_name(None, bare[0]) if bare else DEFAULT_DATASET


def places_from(options: argparse.Namespace) -> dict[str, str]:
    """Where packed datasets lie, by name: a bare PATH is the sweep's dataset, if it has one.

    Raises
    ------
    ConfigError, DataError
        As `parse_places`.
    """
    has_several = getattr(options, "datasets", None) is not None
    return parse_places(options.data, None if has_several else options.dataset)


def run_options_from(options: argparse.Namespace) -> RunOptions:
    """Check folders and fill in the defaults that depend on one another.

    Raises
    ------
    ConfigError, SweepError
        If a flag says what cannot be.
    """
    output: Path = options.output or _default_output()
    if output.exists() and not output.is_dir():
        raise SweepError(f"--output {str(output)!r} is a file: give a folder.")
    output = output.absolute()
    paths = places_from(options)
    return RunOptions(
        output=output,
        tracking_uri=options.tracking_uri or f"sqlite:///{output / 'mlflow.db'}",
        storage=options.storage or str(output / "trials"),
        address=options.address,
        take_over=options.take_over,
        data=DataPlaces(
            paths={name: _absolute(path) for name, path in paths.items()},
            loader_workers=options.loader_workers,
        ),
        placement=Placement(**{f.name: getattr(options, f.name) for f in fields(Placement)}),
    )


def _absolute(path: str) -> str:
    """Workers have working folders of their own."""
    return path if "://" in path else str(Path(path).absolute())


def _default_output() -> Path:
    in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ or "RAY_JOB_ID" in os.environ
    return Path.home() / "intersection-runs" if in_job else Path("runs")


def positive(text: str) -> int:
    value = _count(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but got {text}")
    return value


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be an integer, but got {text!r}") from error
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, but got {text}")
    return value


def _above_zero(text: str) -> float:
    value = _non_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError(f"must be above 0, but got {text}")
    return value


def _non_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, but got {text!r}") from error
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be at least 0, but got {text}")
    return value
