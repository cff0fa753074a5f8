"""A sweep file's command: from its flags to its report, with an exit code for every end."""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from core.config import TrainConfig
from core.data import BUNDLED_DATASETS, dataset_preset
from core.errors import CoreError
from sweep.cli._flags import (
    add_run_flags,
    command_parser,
    places_from,
    run_options_from,
    settle_dataset,
)
from sweep.cli._signals import sigterm_interrupts
from sweep.engine.options import RunOptions
from sweep.errors import EXIT_LOST, ClusterLostError, SweepError
from sweep.report import Build, check_measures
from sweep.spec import SweepSpec

EXIT_OK, EXIT_FAILED_TRIALS, EXIT_REFUSED = 0, 1, 2
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of one sweep file, beside those that all share. It names its data sets itself."""

    add: Callable[[argparse.ArgumentParser], None]
    """One of them has `datasets` as its destination."""

    build: Callable[[TrainConfig, Sequence[int], argparse.Namespace], SweepSpec]
    """As `Experiment.build`, with the flags; the base is that of the first data set."""


@dataclass(frozen=True, kw_only=True)
class Repetitions:
    """How many seeds a sweep takes where `--seeds` says nothing."""

    bundled: int = 3
    """On data that comes with the project, on a laptop."""

    archives: int = 3
    """On the paper's data sets: where it says how often it ran, so often."""

    def on(self, dataset: str) -> int:
        return self.bundled if dataset in BUNDLED_DATASETS else self.archives


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
    flags
        Its own flags, and the build that takes them in the place of `build`.
    repetitions
        How many seeds it takes if it is not told.
    """

    description: str
    report: Build
    build: Callable[[TrainConfig, Sequence[int]], SweepSpec] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    flags: Flags | None = None
    repetitions: Repetitions = field(default_factory=Repetitions)


def main(experiment: Experiment, arguments: Sequence[str] | None = None) -> int:
    """Run an experiment from the command line and return the exit code.

    0: all trials are finished. 1: some failed, or the cluster was lost. 2: refused before any
    trial. 130: interrupted by Ctrl-C. 143: by SIGTERM.
    """
    console = make_console()
    own = experiment.flags
    parser = add_run_flags(command_parser(experiment.description), with_dataset=own is None)
    if own is not None:
        own.add(parser)
    options = parser.parse_args(arguments)
    if own is not None:
        options.dataset = options.datasets[0]
    return guarded(console, lambda: _run(experiment, options, console))


def make_console() -> Console:
    """A console that keeps a job's log unwrapped: where there is no terminal, lines may be long."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def guarded(console: Console, action: Callable[[], int]) -> int:
    """Turn errors that a user can mend into one line and an exit code."""
    with sigterm_interrupts() as sigterm:
        try:
            return action()
        except (CoreError, SweepError) as error:
            console.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
            return EXIT_LOST if isinstance(error, ClusterLostError) else EXIT_REFUSED
        except KeyboardInterrupt:
            console.print("Interrupted. Run the same command again to go on with what is left.")
            return EXIT_TERMINATED if sigterm.received else EXIT_INTERRUPTED


def _run(experiment: Experiment, options: argparse.Namespace, console: Console) -> int:
    # Imported here, with torch, Ray and MLflow: help and a wrong flag are answered without them.
    from sweep.cli.dry_run import print_dry_run
    from sweep.engine.runner import run_sweep
    from sweep.report.present import present

    check_measures(options.measures)
    base = base_config(options, console, experiment.settings)
    spec = _spec(experiment, base, options)
    check_settings(spec, dict(options.set))
    run_options = run_options_from(options)
    if options.dry_run:
        print_dry_run(spec, run_options, console, teraflops=options.teraflops)
        return EXIT_OK
    result = run_sweep(spec, run_options, console)
    if result.num_skipped:
        console.print(f"{result.num_skipped} trials were finished before and were not run again.")
    if result.results.trials:
        folder = run_options.output / spec.name
        present(
            result.results,
            experiment.report,
            folder,
            console,
            to_mlflow=True,
            measures=options.measures,
        )
    console.print(f"Compare the runs: {ui_command(run_options)}")
    return conclude(result.failures, len(spec.trials()), console)


def _spec(experiment: Experiment, base: TrainConfig, options: argparse.Namespace) -> SweepSpec:
    seeds = range(options.seeds or experiment.repetitions.on(options.dataset))
    if experiment.flags is not None:
        return experiment.flags.build(base, seeds, options)
    if experiment.build is None:
        raise TypeError("An experiment needs `build`, or `flags` with a build of theirs.")
    return experiment.build(base, seeds)


def conclude(failures: Mapping[str, str], num_trials: int, console: Console) -> int:
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
    """Preset of the dataset, then the sweep's settings, then `--set`; what holds is printed."""
    settings, given = settings or {}, dict(options.set)
    settle_dataset(options)
    name = options.dataset
    preset = dataset_preset(name, places_from(options).get(name))
    base = TrainConfig().replace({"dataset": name, **preset, **settings, **given})
    later: Mapping[str, Any] = {**settings, **given}
    for whose, values in (
        (f"Preset '{name}'", {k: v for k, v in preset.items() if k not in later}),
        ("This sweep", {k: v for k, v in settings.items() if k not in given}),
        ("--set", given),
    ):
        if values:
            changed = ", ".join(f"{key}={value}" for key, value in values.items())
            console.print(f"{whose}: {escape(changed)}")
    return base


def check_settings(spec: SweepSpec, given: Mapping[str, Any]) -> None:
    """Refuse a setting that would change no trial of the sweep.

    Raises
    ------
    SweepError
        If every arm sets the field itself, or is a run that does not depend on it.
    """
    for key, value in given.items():
        own = {arm: overrides[key] for arm, overrides in spec.arms.items() if key in overrides}
        open_to_it = [arm for arm, config in spec.planned() if key in config.params()]
        if key == "seed" or own.keys() >= set(open_to_it):
            shown = f" ({', '.join(dict.fromkeys(map(str, own.values())))})" if own else ""
            raise SweepError(
                f"--set {key}={value} would change no trial: every arm of this sweep sets {key!r} "
                f"itself{shown}, or does not depend on it. Leave it out."
            )


def ui_command(options: RunOptions) -> str:
    """The one line that opens the MLflow UI on a sweep."""
    if options.uses_embedded_store:
        # By the interpreter that runs now: `mlflow` is on the path in its environment alone.
        python = Path(sys.executable)
        if python.is_relative_to(Path.cwd()):
            python = python.relative_to(Path.cwd())
        return shlex.join(
            (str(python), "-m", "mlflow", "ui", "--backend-store-uri", options.tracking_uri)
        )
    return f"open {options.tracking_uri}"
