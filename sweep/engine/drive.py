"""Ray Tune over the configs that a searcher suggests: what grids and searches share."""

import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ray import tune
from rich.console import Console
from rich.markup import escape

from sweep.engine.callback import SweepCallback
from sweep.engine.capacity import Capacity, CapacityLimiter
from sweep.engine.data import Fingerprints
from sweep.engine.executors import build_trainable, train_folder
from sweep.engine.options import RunOptions
from sweep.engine.progress import ProgressView
from sweep.engine.ray_cluster import abandon_ray, start_ray
from sweep.engine.suggestions import Suggestions
from sweep.engine.trial import TrialSettings
from sweep.engine.tune_mends import mend_tune
from sweep.engine.watch import watch_cluster
from sweep.errors import EXIT_LOST, ClusterLostError
from sweep.tracking.storage import remove_tree
from sweep.tracking.writer import SweepRuns


@dataclass(frozen=True, kw_only=True)
class Drive:
    """How the trials went."""

    failures: Mapping[str, str]
    """Reason by config hash."""

    seconds: float
    """Wall time from handing the trials to Tune to its end; the start of Ray is not in it."""

    parallel: int
    """How many trials could run at once, as the cluster was when the last one was suggested."""


def drive(
    suggestions: Suggestions,
    settings: TrialSettings,
    fingerprints: Fingerprints,
    runs: SweepRuns,
    options: RunOptions,
    console: Console,
    *,
    num_trials: int | None,
    num_done: int,
) -> Drive:
    """Start Ray, train what a searcher suggests, and write all of it to MLflow as it happens.

    Parameters
    ----------
    suggestions
        What to train, until there is no more.
    settings
        Of every trial.
    fingerprints
        Of the data that they train on.
    runs, options, console
        Where numbers go, where trials run, and where progress is shown.
    num_trials
        To train now, for the progress; None where nobody knows.
    num_done
        Those of the sweep that are finished already.

    Raises
    ------
    SweepError
        If no cluster answers, or a trial cannot be placed on it.
    """
    # The callback reports failures in one line each; Tune would add its tracebacks.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    mend_tune()
    console.print(f"Starting Ray, for {num_trials or 'more'} trials ...")
    with start_ray(options.address, options.placement):
        capacity = Capacity(options.placement)
        view = ProgressView(
            console,
            num_total=None if num_trials is None else num_done + num_trials,
            num_done=num_done,
            num_parallel=lambda: capacity.latest,
            lag=runs.lag,
        )
        callback = SweepCallback(runs, view, settings, suggestions, fingerprints)
        start = time.monotonic()

        def give_up(lost: str) -> None:
            console.print(f"[red]error:[/red] {escape(str(_lost_error(lost)))}", soft_wrap=True)
            runs.abandon()
            abandon_ray()
            os._exit(EXIT_LOST)

        with watch_cluster(give_up) as watch:
            try:
                with view:
                    _tune(
                        suggestions,
                        settings,
                        options,
                        callback,
                        capacity=capacity,
                        say=lambda sentence: console.print(escape(sentence)),
                    )
            except KeyboardInterrupt:
                # Told at once: `ray job stop` leaves three seconds, and Ray's own end takes most
                # of it.
                runs.interrupted()
                if watch.lost is not None:
                    raise _lost_error(watch.lost) from None
                raise
        seconds = time.monotonic() - start
    return Drive(failures=callback.failures, seconds=seconds, parallel=capacity.latest)


def _lost_error(lost: str) -> ClusterLostError:
    return ClusterLostError(
        f"The Ray cluster is lost ({lost}). Start it again and give the same command, which goes "
        "on with what is left."
    )


def _tune(
    suggestions: Suggestions,
    settings: TrialSettings,
    options: RunOptions,
    callback: SweepCallback,
    *,
    capacity: Capacity,
    say: Callable[[str], None],
) -> None:
    """Let Tune run what the searcher suggests. Failed trials are the callback's to count."""
    # Tune's own snapshots are not used for resuming, MLflow and TrialStore are; so they go.
    folder, name = options.output.absolute() / "tune", uuid.uuid4().hex
    tuner = tune.Tuner(
        build_trainable(settings),
        tune_config=tune.TuneConfig(
            search_alg=CapacityLimiter(suggestions.searcher, capacity),
            scheduler=suggestions.scheduler,
            num_samples=-1,  # until the searcher has no more
            reuse_actors=settings.placement.chosen_executor == "actor",
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(folder),
            callbacks=[callback],
            failure_config=tune.FailureConfig(max_failures=options.placement.retries),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(folder / name, ignore_errors=True)
        _remove_train_folder(settings, say)


def _remove_train_folder(settings: TrialSettings, say: Callable[[str], None]) -> None:
    """This driver is the sweep's only one, so no group trains any more."""
    folder = train_folder(settings)
    try:
        remove_tree(folder)
    except OSError as error:
        # No reason to end otherwise than the trials did.
        say(f"{folder!r}, of which nothing is needed any more, could not be removed ({error}).")
