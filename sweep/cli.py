"""The command line that every sweep shares."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from core.command import assignment
from core.config import TrainConfig
from core.data import BUNDLED_DATASETS, DATASETS, PACKED_DATASETS
from core.errors import CoreError
from core.presets import PRESETS, preset_config
from sweep.engine.runner import RunOptions, check_spec, run_sweep
from sweep.errors import SweepError
from sweep.report import Build
from sweep.report.present import present
from sweep.spec import SweepSpec

EXIT_OK, EXIT_FAILED_TRIALS, EXIT_REFUSED, EXIT_INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One sweep file: what it runs and what it shows.

    Attributes
    ----------
    description
        The file's docstring; the help text shows it.
    build
        From base config and seeds to the spec.
    report
        From what MLflow holds of the sweep to its tables, figures and sentences.
    settings
        Fields of TrainConfig that it sets over the dataset's preset; `--set` has the last word.
    """

    description: str
    build: Callable[[TrainConfig, Sequence[int]], SweepSpec]
    report: Build
    settings: Mapping[str, Any] = field(default_factory=dict)


def main(experiment: Experiment, arguments: Sequence[str] | None = None) -> int:
    """Run an experiment from the command line and return the exit code.

    0: all trials are finished. 1: some failed. 2: refused before any trial. 130: interrupted.
    """
    console = make_console()
    options = add_run_flags(command_parser(experiment.description)).parse_args(arguments)
    return guarded(console, lambda: _run(experiment, options, console))


def make_console() -> Console:
    """A console that keeps a job's log unwrapped: where there is no terminal, lines may be long."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def guarded(console: Console, action: Callable[[], int]) -> int:
    """Turn errors that a user can mend into one line and an exit code."""
    try:
        return action()
    except (CoreError, SweepError) as error:
        console.print(f"[red]error:[/red] {escape(str(error))}")
        return EXIT_REFUSED
    except KeyboardInterrupt:
        console.print("Interrupted. Run the same command again to go on with what is left.")
        return EXIT_INTERRUPTED


def _run(experiment: Experiment, options: argparse.Namespace, console: Console) -> int:
    base = base_config(options, console, experiment.settings)
    spec = experiment.build(base, range(options.seeds))
    run_options = run_options_from(options)
    if options.dry_run:
        check_spec(spec, run_options)
        print_trials(spec, console)
        return EXIT_OK
    result = run_sweep(spec, run_options, console)
    if result.num_skipped:
        console.print(f"{result.num_skipped} trials were finished before and were not run again.")
    if result.results.trials:
        folder = run_options.output / spec.name
        present(result.results, experiment.report, folder, console, to_mlflow=True)
    console.print(f"Compare the runs: {ui_command(run_options)}")
    return conclude(result.failures, len(spec.trials()), console)


def conclude(failures: dict[str, str], num_trials: int, console: Console) -> int:
    """Say how many trials failed, if any did, and return the exit code."""
    if not failures:
        return EXIT_OK
    console.print(
        f"[red]{len(failures)} of {num_trials} trials failed[/red]; run the same command again to "
        "run only those."
    )
    return EXIT_FAILED_TRIALS


def base_config(
    options: argparse.Namespace, console: Console, settings: Mapping[str, Any] | None = None
) -> TrainConfig:
    """Preset of the dataset, then the sweep's settings, then `--set`; the first two are printed."""
    settings = settings or {}
    base = preset_config(options.dataset).replace({**settings, **dict(options.set)})
    preset = PRESETS.get(options.dataset, {})
    for whose, values in ((f"Preset '{options.dataset}'", preset), ("This sweep", settings)):
        if values:
            changed = ", ".join(f"{key}={value}" for key, value in values.items())
            console.print(f"{whose}: {changed}")
    return base


def print_trials(spec: SweepSpec, console: Console) -> None:
    trials = spec.trials()
    for trial in trials:
        console.print(f"{trial.hash}  {trial.arm}  seed={trial.config.seed}")
    console.print(f"{len(trials)} trials")


def ui_command(options: RunOptions) -> str:
    """The one line that opens the MLflow UI on a sweep."""
    if options.uses_embedded_store:
        return f"mlflow ui --backend-store-uri {options.tracking_uri}"
    return f"open {options.tracking_uri}"


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
    parser: argparse.ArgumentParser, *, with_seeds: bool = True
) -> argparse.ArgumentParser:
    """Add every shared flag. A test freezes this list."""
    what = parser.add_argument_group("what to run")
    what.add_argument(
        "--dataset",
        choices=DATASETS,
        default="digits",
        help=f"bundled: {', '.join(BUNDLED_DATASETS)}; packed: {', '.join(PACKED_DATASETS)} "
        "(default: digits)",
    )
    what.add_argument(
        "--data",
        metavar="PATH",
        help="where `python -m core.data.pack` put a packed dataset: a folder that all nodes have, "
        "s3:// or gs://",
    )
    if with_seeds:
        what.add_argument(
            "--seeds",
            type=positive,
            default=3,
            metavar="N",
            help="seeds 0 to N-1 for every arm (default: 3)",
        )
    what.add_argument(
        "--set",
        action="append",
        type=assignment,
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of TrainConfig for all trials; may be repeated",
    )
    what.add_argument("--dry-run", action="store_true", help="print the trials and stop")

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
        "(default: train for GPUs or several workers, else actor)",
    )
    how.add_argument("--cpus-per-trial", type=positive, default=1, metavar="N", help="a worker")
    how.add_argument(
        "--gpus-per-trial", type=_non_negative, default=0.0, metavar="N", help="a worker"
    )
    how.add_argument("--workers-per-trial", type=positive, default=1, metavar="N")
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
        help="start a failed trial again from its checkpoint, at most N times (default: 0)",
    )
    how.add_argument(
        "--wait-for-nodes",
        action="store_true",
        help="do not refuse what the cluster cannot place yet: it grows on demand",
    )
    return parser


def run_options_from(options: argparse.Namespace) -> RunOptions:
    """Check folders and fill in the defaults that depend on one another."""
    check_data(options.dataset, options.data, options.loader_workers)
    output: Path = options.output or _default_output()
    if output.exists() and not output.is_dir():
        raise SweepError(f"--output {str(output)!r} is a file: give a folder.")
    output = output.absolute()
    return RunOptions(
        output=output,
        tracking_uri=options.tracking_uri or f"sqlite:///{output / 'mlflow.db'}",
        storage=options.storage or str(output / "trials"),
        address=options.address,
        data_root=_absolute(options.data),
        executor=options.executor,
        cpus=options.cpus_per_trial,
        gpus=options.gpus_per_trial,
        workers=options.workers_per_trial,
        max_concurrent=options.max_concurrent,
        retries=options.retries,
        wait_for_nodes=options.wait_for_nodes,
        loader_workers=options.loader_workers,
    )


def check_data(dataset: str, data: str | None, loader_workers: int) -> None:
    """Refuse a packed dataset without its place, and a bundled one with it.

    Raises
    ------
    SweepError
        With the flag to give or to leave out.
    """
    if dataset in BUNDLED_DATASETS:
        for flag, given in (("--data", data), ("--loader-workers", loader_workers)):
            if given:
                raise SweepError(
                    f"{flag} is for packed datasets, and {dataset!r} is bundled: leave it out, or "
                    f"give --dataset {', '.join(PACKED_DATASETS[:-1])} or {PACKED_DATASETS[-1]}."
                )
    elif data is None:
        raise SweepError(
            f"--dataset {dataset} needs --data PATH, where `python -m core.data.pack {dataset} "
            "--root DIR --output PATH` put it."
        )
    elif "://" not in data and not Path(data).is_dir():
        raise SweepError(
            f"--data {data!r} is no folder: give the one that `python -m core.data.pack` wrote, or "
            "its s3:// or gs:// URI."
        )


def _absolute(data: str | None) -> str | None:
    """Workers have working folders of their own."""
    return data if data is None or "://" in data else str(Path(data).absolute())


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


def _non_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a number, but got {text!r}") from error
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be at least 0, but got {text}")
    return value
