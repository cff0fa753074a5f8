"""MLflow, seen from the driver: one parent run a sweep, one child a trial, nothing lost.

Only the driver talks to MLflow. Calls go through a queue to one writer thread, which repeats a
call until the server has taken it: a server that goes away for a while delays numbers and fails
no trial. Every call is safe to repeat, so neither a repeat nor a restarted sweep doubles a run or
an epoch. The thread outlives whatever a call raises: it reports that and goes on with the next.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunStatus,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NAME

from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.command import command_line
from sweep.tracking.connect import STORE_ERRORS, cannot_be_used, first_line, search_runs
from sweep.tracking.names import short_name, values_name
from sweep.tracking.plan import Plan
from sweep.tracking.reader import HAS_NO_PARENT, PARENT_TAG, PLAN_FILE, read_sweep
from sweep.tracking.results import SweepResults
from sweep.tracking.rows import EpochRow
from sweep.tracking.store import DamagedCheckpointError, TrialStore
from sweep.tracking.trials import TrialSpec

_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_SAY_AFTER, _SAY_EVERY = 3.0, 30.0  # seconds
_ROWS = 20  # MLflow takes at most 1000 metrics a call
_RUNNING, _FINISHED, _FAILED, _KILLED = (
    RunStatus.to_string(status)
    for status in (RunStatus.RUNNING, RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)
)
_DIGEST = 36  # characters that MLflow takes of a data set's digest


class SweepRuns:
    """The runs of one sweep, written as it happens.

    Use it as a context manager: leaving it sends what is still queued.

    Parameters
    ----------
    client, experiment_id
        From `connect`.
    sweep_id
        Identity of the sweep; the parent run is found by it.
    plan
        What the sweep sets out to run; the parent run keeps it, for reports.
    tags
        Tags of the parent run, given to every trial as well, but for the data, which is its own.
    searched
        Fields of TrainConfig that a searcher sets. The parent run has as params those that neither
        it nor an arm changes.
    documents
        Text by file name, kept by the parent run beside the plan.
    say
        Told, in a sentence, what is waited for at the end.
    patience_seconds
        How long a server may be away at the very end before what is left is given up.
    patience_interrupted
        The same where the sweep was interrupted: what is left is sent by the next run.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        *,
        sweep_id: str,
        plan: Plan,
        tags: Mapping[str, str],
        searched: Sequence[str] = (),
        documents: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda sentence: None,
        patience_seconds: float = 600.0,
        patience_interrupted: float = 5.0,
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._plan = plan
        self._varied = {"seed", *searched, *(key for arm in plan.arms for key in arm.overrides)}
        if "weights" in self._varied:
            self._varied.add("weights_sha256")
        self._documents = {PLAN_FILE: plan.to_json(), **(documents or {})}
        self._tags = {**tags, metrics.TAG_SWEEP_ID: sweep_id}
        self._say = say
        self._trouble: tuple[float, str] | None = None
        """Since when a call is repeated, and why."""

        self._patience = patience_seconds
        self._patience_interrupted = patience_interrupted
        self._run_ids: dict[str, str] = {}
        self._running: set[str] = set()
        """Config hashes of the trials whose runs are open."""

        self._epochs: dict[str, set[int]] = {}
        """Epochs that MLflow has, by config hash."""

        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._closing_since: float | None = None
        self._refused: list[str] = []
        self._unsent = 0
        try:
            self.parent_id = self._find_or_create_parent()
        except STORE_ERRORS as error:
            raise cannot_be_used(str(client.tracking_uri), error) from error
        self._writer = threading.Thread(target=self._write, name="mlflow-writer", daemon=True)

    def __enter__(self) -> "SweepRuns":
        self._client.update_run(self.parent_id, status=_RUNNING)
        self._writer.start()
        self._calls.put(self._end_abandoned)
        self._calls.put(self._describe)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.interrupted()
            self._patience = self._patience_interrupted
        status = _FINISHED if kind is None else _KILLED
        self._calls.put(lambda: self._client.set_terminated(self.parent_id, status))
        self._closing_since = time.monotonic()
        self._calls.put(None)
        self._wait_for_writer()
        if kind is None and (self._unsent or self._refused):
            raise SweepError(
                f"MLflow did not take {self._unsent + len(self._refused)} calls "
                f"({'; '.join(self._refused[:3]) or 'the server is away'}). Run the same command "
                "again: the trials' own storage still has their numbers."
            )

    def _wait_for_writer(self) -> None:
        self._writer.join(timeout=_SAY_AFTER)
        while self._writer.is_alive():
            lag = self.lag() or f"MLflow does not have {self._calls.qsize()} writes yet"
            self._say(f"{lag}: waiting for it, {self._patience:.0f} s at most without an answer.")
            self._writer.join(timeout=_SAY_EVERY)

    def lag(self) -> str:
        """What to say of a store that has not answered for a while; empty if all is well."""
        trouble = self._trouble
        if trouble is None or time.monotonic() - trouble[0] < _SAY_AFTER:
            return ""
        return f"MLflow is away, {self._calls.qsize() + 1} writes wait ({trouble[1]})"

    def read(self) -> SweepResults:
        """What MLflow holds of the sweep now."""
        return read_sweep(self._client, self._experiment_id, self.parent_id, plan=self._plan)

    def take_stored(self, trial: TrialSpec, store: TrialStore) -> bool:
        """Write a trial that ended before MLflow had all of it; False if the store lacks its end.

        A killed driver takes with it what it had not sent yet, but the trial's own storage is
        emptied only after MLflow has everything.
        """
        try:
            checkpoint = store.load()
        except DamagedCheckpointError:
            return False
        if checkpoint is None or not checkpoint["final"]:
            return False
        self.trial_started(trial)
        self.trial_rows(trial.hash, [EpochRow.from_plain(row) for row in checkpoint["rows"]])
        self.trial_finished(trial.hash, checkpoint["final"], store)
        return True

    def _find_or_create_parent(self) -> str:
        sweep_id = self._tags[metrics.TAG_SWEEP_ID]
        own = f"tags.`{metrics.TAG_SWEEP_ID}` = '{sweep_id}' and {HAS_NO_PARENT}"
        found = search_runs(self._client, self._experiment_id, own)
        if found:
            return str(found[0].info.run_id)
        tags = {**self._tags, MLFLOW_RUN_NAME: self._plan.title}
        run = self._client.create_run(self._experiment_id, tags=tags)
        return str(run.info.run_id)

    # What happens

    def abandon(self) -> None:
        """End as after an interrupt, from another thread than the one that is in the block."""
        self.__exit__(KeyboardInterrupt)

    def interrupted(self) -> None:
        """Say of the trials that run now that nobody runs them any more."""
        self._calls.put(self._kill_running)

    def trial_started(self, trial: TrialSpec) -> None:
        self._calls.put(lambda: self._start(trial))

    def trial_rows(self, config_hash: str, rows: Sequence[EpochRow]) -> None:
        """Log one metric a key and epoch, whatever keys a row holds.

        An epoch that MLflow has is left out: a trial that went back to a checkpoint trains it again
        and sends it again, with the same values at another time.
        """
        for start in range(0, len(rows), _ROWS):
            self._log_rows(config_hash, rows[start : start + _ROWS])

    def trial_finished(
        self, config_hash: str, final: Mapping[str, float], store: TrialStore
    ) -> None:
        """Log the final numbers and the artifacts, then close the run and empty the store."""

        def finish() -> None:
            run_id = self._run_ids[config_hash]
            # One fixed time and step: sending it twice writes the same point.
            points = [Metric(key, value, 0, 0) for key, value in final.items()]
            self._client.log_batch(run_id, metrics=points)
            with TemporaryDirectory() as folder:
                store.get_artifacts(Path(folder))
                self._client.log_artifacts(run_id, folder)
            self._client.set_terminated(run_id, _FINISHED)
            self._running.discard(config_hash)
            store.discard()

        self._calls.put(finish)

    def trial_failed(self, trial: TrialSpec, reason: str) -> None:
        """Close a trial's run with its reason; a trial may fail before it has started."""

        def fail() -> None:
            if trial.hash not in self._running:
                self._start(trial)
            run_id = self._run_ids[trial.hash]
            self._client.set_tag(run_id, metrics.TAG_FAILURE, reason[:4000])
            self._client.set_terminated(run_id, _FAILED)
            self._running.discard(trial.hash)

        self._calls.put(fail)

    def trial_pruned(self, trial: TrialSpec, store: TrialStore, *, num_epochs: int) -> None:
        """Close the run of a trial that a pruner stopped: no failure, and nothing to go on with."""

        def end() -> None:
            if trial.hash not in self._running:
                self._start(trial)
            run_id = self._run_ids[trial.hash]
            self._client.set_tag(run_id, metrics.TAG_PRUNED, f"after {num_epochs} epochs")
            self._client.set_terminated(run_id, _KILLED)
            self._running.discard(trial.hash)
            store.discard()

        self._calls.put(end)

    def _log_rows(self, config_hash: str, rows: Sequence[EpochRow]) -> None:
        def log() -> None:
            known = self._epochs[config_hash]
            new = [row for row in rows if row.epoch not in known]
            points = [
                Metric(key, value, row.timestamp_ms, row.epoch)
                for row in new
                for key, value in row.values.items()
            ]
            # One call is one transaction, so an epoch is there with all its metrics or with none.
            self._client.log_batch(self._run_ids[config_hash], metrics=points)
            known.update(row.epoch for row in new)

        self._calls.put(log)

    def _end_abandoned(self) -> None:
        """Close the runs that an earlier driver left open when it died."""
        own = f"tags.`{PARENT_TAG}` = '{self.parent_id}' and attributes.status = '{_RUNNING}'"
        for run in search_runs(self._client, self._experiment_id, own):
            self._client.set_terminated(run.info.run_id, _KILLED)

    def _kill_running(self) -> None:
        for config_hash in sorted(self._running):
            self._client.set_terminated(self._run_ids[config_hash], _KILLED)
            self._running.discard(config_hash)

    def _describe(self) -> None:
        """Say on the sweep's own run what it sets out to do."""
        # A param is written once: a command given again may fix other fields than the first did.
        known = self._client.get_run(self.parent_id).data.params
        params = [
            Param(key, str(value))
            for key, value in self._plan.base.items()
            if key not in self._varied and key not in known
        ]
        # Those of the command that ran last: it may have another executor, or one data set more.
        described = {**self._tags, metrics.TAG_COMMAND: command_line()}
        tags = [RunTag(key, value) for key, value in described.items()]
        self._client.log_batch(self.parent_id, params=params, tags=tags)
        for name, text in self._documents.items():
            self._client.log_text(self.parent_id, text, name)

    def _start(self, trial: TrialSpec) -> None:
        tags = {
            **self._tags,
            PARENT_TAG: self.parent_id,
            MLFLOW_RUN_NAME: self.name_of(trial),
            metrics.TAG_ARM: trial.arm,
            metrics.TAG_SEED: str(trial.config.seed),
            metrics.TAG_CONFIG_HASH: trial.hash,
            metrics.TAG_DATASET_FINGERPRINT: trial.dataset_fingerprint,
            **trial.tags,
        }
        if trial.hash not in self._run_ids:
            # Asked again: a lost answer to `create_run` must not lead to a second run.
            own = (
                f"tags.`{PARENT_TAG}` = '{self.parent_id}' and "
                f"tags.`{metrics.TAG_CONFIG_HASH}` = '{trial.hash}' and "
                f"tags.`{metrics.TAG_DATASET_FINGERPRINT}` = '{trial.dataset_fingerprint}'"
            )
            runs = list(search_runs(self._client, self._experiment_id, own))
            run = runs[0] if runs else self._client.create_run(self._experiment_id, tags=tags)
            self._epochs[trial.hash] = self._epochs_of(run)
            self._run_ids[trial.hash] = str(run.info.run_id)
        run_id = self._run_ids[trial.hash]
        known = self._client.get_run(run_id).data.tags
        for of_an_earlier_attempt in {metrics.TAG_FAILURE, metrics.TAG_PRUNED} & known.keys():
            self._client.delete_tag(run_id, of_an_earlier_attempt)
        self._client.log_batch(
            run_id,
            params=[Param(key, str(value)) for key, value in trial.config.params().items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        self._client.log_inputs(run_id, [self._data(trial)])
        self._client.update_run(run_id, status=_RUNNING)
        self._running.add(trial.hash)

    def _epochs_of(self, run: Run) -> set[int]:
        """The epochs of which MLflow has the numbers."""
        if metrics.MINIVAL_ACCURACY not in run.data.metrics:
            return set()
        history = self._client.get_metric_history(run.info.run_id, metrics.MINIVAL_ACCURACY)
        return {int(point.step) for point in history}

    def name_of(self, trial: TrialSpec) -> str:
        """A trial's name for people, which its run in MLflow has as well.

        It starts with what differs: MLflow's UI cuts its end off.
        """
        if {arm.name for arm in self._plan.arms}.issuperset(trial.arms):
            name = " = ".join(short_name(arm) for arm in trial.arms)
        else:
            config = trial.config.to_dict()
            name = values_name({k: config[k] for k in config if k in self._varied and k != "seed"})
        return f"{name} seed={trial.config.seed}".strip()

    def _data(self, trial: TrialSpec) -> DatasetInput:
        """The data set as MLflow's own input, which its UI shows in a column."""
        digest = trial.dataset_fingerprint[:_DIGEST]
        name = trial.config.dataset
        # What is packed lies elsewhere on each machine: name and digest say which it was.
        dataset = Dataset(name=name, digest=digest, source_type="code", source=name)
        return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "train")])

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
            # Whatever a call raises must not end the thread, and with it all that is still queued.
            except Exception as error:  # noqa: BLE001
                if not _may_pass(error):
                    self._refused.append(f"{type(error).__name__}: {first_line(error)}")
                    return True
                since = self._trouble[0] if self._trouble else time.monotonic()
                self._trouble = (since, first_line(error)[:100])
                if self._gave_up():
                    return False
                time.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                self._trouble = None
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
    return isinstance(error, OSError)
