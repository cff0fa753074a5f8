"""MLflow, seen from the driver: one parent run a sweep, one child a trial, nothing lost.

Only the driver talks to MLflow. Calls go through a queue to one writer thread, which repeats a
call until the server has taken it: a server that goes away for a while delays numbers and fails
no trial. Every call is safe to repeat, so neither a repeat nor a restarted sweep doubles a run.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import mlflow
from mlflow.entities import Metric, Param, Run, RunStatus, RunTag, ViewType
from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_HTTP_REQUEST_TIMEOUT,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sweep.engine.store import TrialStore
from sweep.engine.trial import Row
from sweep.errors import SweepError
from sweep.spec import TrialSpec
from sweep.tracking import metrics

PARENT_TAG = "mlflow.parentRunId"
NAME_TAG = "mlflow.runName"
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_PAGE = 1000
_BATCH = 900  # MLflow takes at most 1000 metrics a call


def connect(uri: str, experiment: str, *, artifact_root: Path | None) -> tuple[MlflowClient, str]:
    """Return a client and the id of an experiment, made if it does not exist.

    Database and experiment are made here, once, before anything runs in parallel, because making
    them from several processes at once is a race in MLflow.

    Raises
    ------
    SweepError
        If the server does not answer or the store cannot be opened.
    """
    if uri.startswith(("http://", "https://")):
        _check_server(uri)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # The writer thread repeats calls itself, and knows when to stop.
    MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(0)  # type: ignore[no-untyped-call]
    MLFLOW_HTTP_REQUEST_TIMEOUT.set(20)  # type: ignore[no-untyped-call]
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        if found is not None:
            return client, str(found.experiment_id)
        location = artifact_root.absolute().as_uri() if artifact_root else None
        return client, client.create_experiment(experiment, artifact_location=location)
    except (MlflowException, OSError) as error:
        raise SweepError(
            f"--tracking-uri {uri!r} cannot be used ({_first_line(error)}): give the http(s) "
            "address of an MLflow server, or sqlite:///FILE."
        ) from error


def _check_server(uri: str) -> None:
    if not urlsplit(uri).hostname:
        raise SweepError(f"--tracking-uri {uri!r} has no host name: give http://HOST:PORT.")
    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=5):
            return
    except (URLError, OSError) as error:
        raise SweepError(
            f"The MLflow server at {uri} does not answer ({_first_line(error)}): start it, or mend "
            "--tracking-uri."
        ) from error


@dataclass(frozen=True, kw_only=True)
class FinishedTrial:
    """A trial that MLflow holds in full."""

    run_id: str
    config_hash: str
    arm: str
    seed: int
    params: dict[str, str]
    final: dict[str, float]
    """Keys as in `metrics.FINAL_METRICS`."""


class SweepRuns:
    """The runs of one sweep: reading what is finished, writing what happens.

    Use it as a context manager: leaving it sends what is still queued.

    Parameters
    ----------
    client, experiment_id
        From `connect`.
    sweep_id
        Identity of the sweep; the parent run is found by it.
    title, tags
        Name and tags of the parent run. The tags are given to every trial as well.
    patience_seconds
        How long a server may be away at the very end before what is left is given up.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        *,
        sweep_id: str,
        title: str,
        tags: dict[str, str],
        patience_seconds: float = 600.0,
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._tags = {**tags, metrics.TAG_SWEEP_ID: sweep_id}
        self._patience = patience_seconds
        self._run_ids: dict[str, str] = {}
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._closing_since: float | None = None
        self._refused: list[str] = []
        self._unsent = 0
        self.parent_id = self._find_or_create_parent(title)
        self._writer = threading.Thread(target=self._write, name="mlflow-writer", daemon=True)

    def __enter__(self) -> "SweepRuns":
        self._client.update_run(self.parent_id, status="RUNNING")
        self._writer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        status = RunStatus.FINISHED if kind is None else RunStatus.KILLED
        self._calls.put(
            lambda: self._client.set_terminated(self.parent_id, RunStatus.to_string(status))
        )
        self._closing_since = time.monotonic()
        self._calls.put(None)
        self._writer.join()
        if kind is None and (self._unsent or self._refused):
            raise SweepError(
                f"MLflow did not take {self._unsent + len(self._refused)} calls "
                f"({'; '.join(self._refused[:3]) or 'the server is away'}). Run the same command "
                "again: the trials' own storage still has their numbers."
            )

    # What is there

    def finished(self) -> dict[str, FinishedTrial]:
        """All finished trials of the sweep, by config hash."""
        found = {}
        for run in self._children():
            self._run_ids[run.data.tags[metrics.TAG_CONFIG_HASH]] = run.info.run_id
            if run.info.status == RunStatus.to_string(RunStatus.FINISHED):
                trial = _finished_trial(run)
                found[trial.config_hash] = trial
        return found

    def failed(self) -> set[str]:
        """Config hashes of the trials whose failure MLflow holds."""
        failed = RunStatus.to_string(RunStatus.FAILED)
        return {
            run.data.tags[metrics.TAG_CONFIG_HASH]
            for run in self._children()
            if run.info.status == failed
        }

    def take_stored(self, trial: TrialSpec, store: TrialStore) -> bool:
        """Write a trial that ended before MLflow had all of it; False if the store lacks its end.

        A killed driver takes with it what it had not sent yet, but the trial's own storage is
        emptied only after MLflow has everything.
        """
        checkpoint = store.load()
        if checkpoint is None or not checkpoint["final"]:
            return False
        self.trial_started(trial)
        self.trial_rows(trial.hash, checkpoint["rows"])
        self.trial_finished(trial.hash, checkpoint["final"], store)
        return True

    def _children(self) -> Iterable[Run]:
        return _search(
            self._client, self._experiment_id, f"tags.`{PARENT_TAG}` = '{self.parent_id}'"
        )

    def _find_or_create_parent(self, title: str) -> str:
        sweep_id = self._tags[metrics.TAG_SWEEP_ID]
        own = f"tags.`{metrics.TAG_SWEEP_ID}` = '{sweep_id}'"
        for run in _search(self._client, self._experiment_id, own):
            if PARENT_TAG not in run.data.tags:
                return str(run.info.run_id)
        run = self._client.create_run(self._experiment_id, tags={**self._tags, NAME_TAG: title})
        return str(run.info.run_id)

    # What happens

    def trial_started(self, trial: TrialSpec) -> None:
        self._calls.put(lambda: self._start(trial))

    def trial_rows(self, config_hash: str, rows: Sequence[Row]) -> None:
        """Log one metric a key and epoch."""
        points = [
            Metric(key, row[key], int(row["timestamp_ms"]), int(row["epoch"]))
            for row in rows
            for key in metrics.EPOCH_METRICS
            if key in row
        ]
        for start in range(0, len(points), _BATCH):
            self._log(config_hash, points[start : start + _BATCH])

    def trial_finished(self, config_hash: str, final: Row, store: TrialStore) -> None:
        """Log the final numbers and the artifacts, then close the run and empty the store."""
        # One fixed time and step: sending it twice writes the same point.
        self._log(config_hash, [Metric(key, value, 0, 0) for key, value in final.items()])

        def finish() -> None:
            run_id = self._run_ids[config_hash]
            with TemporaryDirectory() as folder:
                store.get_artifacts(Path(folder))
                self._client.log_artifacts(run_id, folder)
            self._client.set_terminated(run_id, RunStatus.to_string(RunStatus.FINISHED))
            store.discard()

        self._calls.put(finish)

    def trial_failed(self, config_hash: str, reason: str) -> None:
        def fail() -> None:
            run_id = self._run_ids[config_hash]
            self._client.set_tag(run_id, metrics.TAG_FAILURE, reason[:4000])
            self._client.set_terminated(run_id, RunStatus.to_string(RunStatus.FAILED))

        self._calls.put(fail)

    def log_parent_artifact(self, path: Path) -> None:
        """Attach a figure or a table to the sweep's own run."""
        self._calls.put(lambda: self._client.log_artifact(self.parent_id, str(path)))

    def _log(self, config_hash: str, points: list[Metric]) -> None:
        def log() -> None:
            self._client.log_batch(self._run_ids[config_hash], metrics=points)

        self._calls.put(log)

    def _start(self, trial: TrialSpec) -> None:
        tags = {
            **self._tags,
            PARENT_TAG: self.parent_id,
            NAME_TAG: f"{trial.arm} seed={trial.config.seed}",
            metrics.TAG_ARM: trial.arm,
            metrics.TAG_SEED: str(trial.config.seed),
            metrics.TAG_CONFIG_HASH: trial.hash,
        }
        if trial.hash not in self._run_ids:
            # Asked again: a lost answer to `create_run` must not lead to a second run.
            own = (
                f"tags.`{PARENT_TAG}` = '{self.parent_id}' and "
                f"tags.`{metrics.TAG_CONFIG_HASH}` = '{trial.hash}'"
            )
            runs = list(_search(self._client, self._experiment_id, own))
            run = runs[0] if runs else self._client.create_run(self._experiment_id, tags=tags)
            self._run_ids[trial.hash] = str(run.info.run_id)
        run_id = self._run_ids[trial.hash]
        self._client.log_batch(
            run_id,
            params=[Param(key, str(value)) for key, value in trial.config.params().items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        self._client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))

    # The writer thread

    def _write(self) -> None:
        while (call := self._calls.get()) is not None:
            if not self._send(call):
                self._unsent += 1

    def _send(self, call: Callable[[], None]) -> bool:
        attempt = 0
        while True:
            try:
                call()
            except (MlflowException, OSError) as error:
                if not _may_pass(error):
                    self._refused.append(_first_line(error))
                    return True
                if self._gave_up():
                    return False
                time.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                return True

    def _gave_up(self) -> bool:
        return (
            self._closing_since is not None
            and time.monotonic() - self._closing_since > self._patience
        )


def _may_pass(error: Exception) -> bool:
    """Whether the same call may succeed later: no answer, a server error, a locked database."""
    if isinstance(error, MlflowException):
        return error.error_code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
    return True


def _search(client: MlflowClient, experiment_id: str, filter_string: str) -> list[Run]:
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], filter_string, ViewType.ACTIVE_ONLY, _PAGE, page_token=token
        )
        runs += page
        token = page.token
        if not token:
            return runs


def _finished_trial(run: Run) -> FinishedTrial:
    tags = run.data.tags
    return FinishedTrial(
        run_id=run.info.run_id,
        config_hash=tags[metrics.TAG_CONFIG_HASH],
        arm=tags[metrics.TAG_ARM],
        seed=int(tags[metrics.TAG_SEED]),
        params=dict(run.data.params),
        final={k: v for k, v in run.data.metrics.items() if k in metrics.FINAL_METRICS},
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


MLFLOW_VERSION = str(mlflow.__version__)
