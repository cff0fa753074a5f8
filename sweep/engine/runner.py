"""From a spec to a finished sweep: refuse what cannot work, skip what is done, run the rest."""

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ray
from ray import tune
from ray.tune.search import Searcher
from rich.console import Console

from core.backbones import check_backbone
from core.config import TrainConfig
from core.data import Dataset, check_dataset, load_dataset
from sweep.engine.callback import SweepCallback
from sweep.engine.executors import build_trainable
from sweep.engine.progress import ProgressView
from sweep.engine.store import check_storage
from sweep.engine.trial import TrialSettings
from sweep.engine.versions import version_tags
from sweep.errors import SweepError
from sweep.spec import SweepSpec, TrialSpec
from sweep.tracking import metrics
from sweep.tracking.connect import EXPERIMENT, connect
from sweep.tracking.plan import Plan
from sweep.tracking.reader import SweepResults
from sweep.tracking.writer import SweepRuns


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and with what a sweep runs. Nothing here changes a trial's result."""

    output: Path
    tracking_uri: str
    storage: str
    address: str | None = None
    data_root: str | None = None
    executor: Literal["auto", "actor", "train"] = "auto"
    cpus: int = 1
    gpus: float = 0.0
    workers: int = 1
    max_concurrent: int | None = None
    retries: int = 0
    wait_for_nodes: bool = False
    loader_workers: int = 0
    """Processes that decode images, of each worker."""

    @property
    def chosen_executor(self) -> Literal["actor", "train"]:
        """One process on CPUs needs no worker group; GPUs and several workers do."""
        if self.executor != "auto":
            return self.executor
        return "train" if self.gpus or self.workers > 1 else "actor"

    @property
    def uses_embedded_store(self) -> bool:
        return not self.tracking_uri.startswith(("http://", "https://"))


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """How a sweep ended."""

    results: SweepResults
    """As MLflow holds them, from this run of the command or an earlier one."""

    failures: dict[str, str]
    """Reason by config hash."""

    num_skipped: int
    """Trials that were finished before."""

    seconds: float
    """Wall time from handing the trials to Tune to its end; the start of Ray is not in it."""

    parallel: int
    """How many trials could run at once."""


def run_sweep(spec: SweepSpec, options: RunOptions, console: Console) -> SweepResult:
    """Run every trial of a spec that is not finished yet.

    Raises
    ------
    SweepError
        If the sweep cannot start, in one line, before any trial does.
    """
    check_spec(spec, options)
    dataset = load_data(spec.base, options)
    sizes = {trial.config.image_options: trial.config for trial in spec.trials()}
    for images, config in sizes.items():
        if images != spec.base.image_options:
            load_data(config, options)
    sweep_id = spec.sweep_id(dataset.fingerprint)
    with open_sweep(spec.plan(), sweep_id, dataset, options) as (runs, settings):
        trials = {trial.hash: trial for trial in spec.trials()}
        finished = {trial.config_hash for trial in runs.read().trials}
        rest = [trial for h, trial in trials.items() if h not in finished]
        failures: dict[str, str] = {}
        seconds, parallel = 0.0, 1
        if rest:
            with start_ray(options) as resources:
                parallel = concurrency(options, resources)
                view = ProgressView(
                    console,
                    num_total=len(trials),
                    num_done=len(finished),
                    num_parallel=min(parallel, len(rest)),
                )
                arms = {trial.hash: trial.arms for trial in rest}
                callback = SweepCallback(runs, view, settings(spec.base), arms)
                start = time.monotonic()
                with view:
                    tune_trials(
                        settings(spec.base),
                        options,
                        searcher=ListSearcher(spec.base, rest),
                        num_trials=len(rest),
                        parallel=parallel,
                        callback=callback,
                    )
                seconds = time.monotonic() - start
                failures = callback.failures
    return SweepResult(
        results=runs.read(),
        failures=failures,
        num_skipped=len(finished),
        seconds=seconds,
        parallel=parallel,
    )


def check_spec(spec: SweepSpec, options: RunOptions) -> None:
    """Check every config of a spec, as `check_config` does."""
    for config in {trial.config.replace({"seed": 0}) for trial in spec.trials()}:
        check_config(config, options)


def check_config(config: TrainConfig, options: RunOptions) -> None:
    """Refuse what can be refused before any data is read.

    Raises
    ------
    CoreError, SweepError
        In one line.
    """
    check_backbone(config)
    check_dataset(
        config.dataset,
        data=options.data_root,
        images=config.image_options,
        num_workers=options.loader_workers,
    )
    check_batch_statistics(config, options)


def load_data(config: TrainConfig, options: RunOptions) -> Dataset:
    """The data as the trials of a config will load it.

    Raises
    ------
    CoreError
        If they could not.
    """
    return load_dataset(
        config.dataset,
        data=options.data_root,
        images=config.image_options,
        split_seed=config.split_seed,
        num_workers=options.loader_workers,
    )


class ListSearcher(Searcher):
    """Suggests the overrides of given trials, one after another."""

    def __init__(self, base: TrainConfig, trials: Sequence[TrialSpec]) -> None:
        super().__init__()
        fixed = base.to_dict()
        self._overrides = [
            {key: value for key, value in trial.config.to_dict().items() if value != fixed[key]}
            for trial in trials
        ]
        self._next = 0

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if self._next == len(self._overrides):
            return None
        self._next += 1
        return self._overrides[self._next - 1]

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing is learnt from a result."""


def tune_trials(
    settings: TrialSettings,
    options: RunOptions,
    *,
    searcher: Searcher,
    num_trials: int,
    parallel: int,
    callback: SweepCallback,
) -> None:
    """Let Tune run what a searcher suggests. Failed trials are the callback's to count."""
    # The callback reports failures in one line each; Tune would add its tracebacks.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    tuner = tune.Tuner(
        build_trainable(settings),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=num_trials,
            max_concurrent_trials=parallel,
            reuse_actors=settings.executor == "actor",
        ),
        run_config=tune.RunConfig(
            # Tune's own snapshots are not used for resuming, MLflow and TrialStore are.
            storage_path=str(options.output.absolute() / "tune"),
            callbacks=[callback],
            failure_config=tune.FailureConfig(max_failures=options.retries),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    tuner.fit()


@contextmanager
def open_sweep(
    plan: Plan,
    sweep_id: str,
    dataset: Dataset,
    options: RunOptions,
    *,
    searched: Sequence[str] = (),
    documents: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Iterator[tuple[SweepRuns, Any]]:
    """Check storage and tracking, and yield the sweep's runs and a maker of trial settings."""
    options.output.mkdir(parents=True, exist_ok=True)
    check_storage(options.storage)
    client, experiment_id = connect(
        options.tracking_uri,
        EXPERIMENT,
        artifact_root=options.output / "artifacts" if options.uses_embedded_store else None,
    )
    all_tags = {
        metrics.TAG_SWEEP: plan.name,
        metrics.TAG_DATASET_FINGERPRINT: dataset.fingerprint,
        metrics.TAG_EXECUTOR: options.chosen_executor,
        **version_tags(),
        **(tags or {}),
    }

    def settings(base: TrainConfig) -> TrialSettings:
        return TrialSettings(
            base=base.to_dict(),
            sweep_id=sweep_id,
            storage=options.storage,
            data_root=options.data_root,
            executor=options.chosen_executor,
            cpus=options.cpus,
            gpus=options.gpus,
            workers=options.workers,
            loader_workers=options.loader_workers,
        )

    with SweepRuns(
        client,
        experiment_id,
        sweep_id=sweep_id,
        plan=plan,
        tags=all_tags,
        searched=searched,
        documents=documents,
    ) as runs:
        yield runs, settings


@contextmanager
def start_ray(options: RunOptions) -> Iterator[dict[str, float]]:
    """Join a cluster, or start Ray on this machine; yield its resources.

    Raises
    ------
    SweepError
        If no cluster answers, or one trial asks for more than the cluster has.
    """
    address = options.address or os.environ.get("RAY_ADDRESS")
    # Tune's and Ray's own progress would drown ours.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Tune's own handler ends `fit` as if all were well; Ctrl-C must reach the command line.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    joined = address or _address_of_last_start()
    if joined:
        _check_address(joined)
    try:
        ray.init(
            address=address,
            include_dashboard=None if joined not in (None, "local") else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(joined, error) from error
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        if not options.wait_for_nodes:
            check_resources(options, resources)
        yield resources
    finally:
        ray.shutdown()


def _address_of_last_start() -> str | None:
    """Where the last `ray start` of this machine ran, which Ray joins if it is told no address.

    `ray stop` removes the file, but a Ray that died leaves it.
    """
    folder = os.environ.get("TMPDIR", "/tmp") if sys.platform == "linux" else "/tmp"
    path = Path(os.environ.get("RAY_TMPDIR", folder), "ray", "ray_current_cluster")
    return (path.read_text().strip() if path.is_file() else "") or None


def _check_address(address: str) -> None:
    """Ask the port before Ray does: Ray tries for minutes, and then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # "auto" and "local" are Ray's to resolve
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return
    except OSError as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str | None, error: Exception) -> SweepError:
    return SweepError(
        f"No Ray cluster answers at {address!r} ({str(error).splitlines()[0]}): start one with "
        "`ray start --head`, forget one that died with `ray stop`, or give --address local to run "
        "on this machine alone."
    )


def check_batch_statistics(config: TrainConfig, options: RunOptions) -> None:
    """Refuse what every trial would refuse: BatchNorm over several workers without GPUs."""
    if options.workers > 1 and not options.gpus and config.trunk_norm == "batch":
        raise SweepError(
            "BatchNorm shares its statistics among several workers on GPUs only, but "
            f"--workers-per-trial is {options.workers} and --gpus-per-trial is 0: add --set "
            "trunk_norm=group for `trunk_norm='group'`, or use one worker."
        )


def check_resources(options: RunOptions, resources: dict[str, float]) -> None:
    """Refuse a trial that could never be placed: Tune would wait for ever."""
    asked = {"CPU": float(options.cpus * options.workers), "GPU": options.gpus * options.workers}
    for kind, flag in (("CPU", "--cpus-per-trial"), ("GPU", "--gpus-per-trial")):
        available = resources.get(kind, 0.0)
        if asked[kind] > available:
            raise SweepError(
                f"A trial asks for {asked[kind]:g} {kind}s, but the cluster has {available:g}: "
                f"lower {flag} or --workers-per-trial, or give --wait-for-nodes if the cluster "
                "grows on demand."
            )


def concurrency(options: RunOptions, resources: dict[str, float]) -> int:
    """How many trials fit at once. Train drivers hold next to nothing, so Tune must be told.

    On a cluster that grows on demand the resources of now say nothing, so `max_concurrent` stands.
    """
    if options.wait_for_nodes and options.max_concurrent:
        return options.max_concurrent
    fits = [resources.get("CPU", 1.0) / (options.cpus * options.workers)]
    if options.gpus:
        fits.append(resources.get("GPU", 0.0) / (options.gpus * options.workers))
    most = max(1, int(min(fits)))
    return min(most, options.max_concurrent) if options.max_concurrent else most
