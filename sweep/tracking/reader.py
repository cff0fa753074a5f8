"""MLflow, read back: what sweeps a store holds, and all that a report is made of.

It needs neither the sweep's file nor Ray nor the machine that ran it. What a run lacks is absent
here too: no metric is expected of every method or of every data set.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import Run, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.connect import first_line, search_runs
from sweep.tracking.plan import Plan

PARENT_TAG = "mlflow.parentRunId"
PLAN_FILE = "plan.json"

History = Mapping[str, Sequence[tuple[int, float]]]
"""Metric to its (epoch, value) points, by epoch."""


@dataclass(frozen=True, kw_only=True)
class FinishedTrial:
    """A trial that MLflow holds in full. The arms that it serves are the plan's to say."""

    run_id: str
    config_hash: str
    seed: int
    params: Mapping[str, str]
    """The config's fields as MLflow keeps them, in words."""

    final: Mapping[str, float]
    """Every metric whose key is `metrics.final(...)`, by that key."""

    dataset_fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True)
class SweepResults:
    """A sweep as MLflow holds it at the moment of reading."""

    plan: Plan
    trials: Sequence[FinishedTrial]
    """The finished ones, in the plan's order and each once; those of a search as they started."""

    failures: Mapping[str, str] = field(default_factory=dict)
    """Reason by config hash, of the trials whose last attempt failed."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the sweep's own run."""

    run_id: str = ""
    """The sweep's own run."""

    client: MlflowClient | None = None

    def of_arm(self, arm: str) -> dict[int, FinishedTrial]:
        """The finished trials of an arm by seed; another arm may share them."""
        finished = {trial.config_hash: trial for trial in self.trials}
        return {
            planned.seed: finished[planned.config_hash]
            for planned in self.plan.trials
            if planned.arm == arm and planned.config_hash in finished
        }

    def final(self, arm: str, key: str) -> dict[int, float]:
        """One final metric of an arm by seed, of the trials that have it."""
        return {
            seed: trial.final[key] for seed, trial in self.of_arm(arm).items() if key in trial.final
        }

    def history(self, trial: FinishedTrial) -> History:
        """Every metric of a trial that was logged by epoch."""
        client = self.open_client()
        keys = [
            key for key in client.get_run(trial.run_id).data.metrics if not metrics.is_final(key)
        ]
        return {
            key: sorted(
                (point.step, point.value) for point in client.get_metric_history(trial.run_id, key)
            )
            for key in sorted(keys)
        }

    def artifacts(self, trial: FinishedTrial) -> list[str]:
        """Paths of the files and folders that a trial left."""
        return [str(file.path) for file in self.open_client().list_artifacts(trial.run_id)]

    def artifact(self, trial: FinishedTrial, path: str, folder: Path) -> Path:
        """Copy one of `artifacts` into a folder.

        Raises
        ------
        SweepError
            If the run has no such file.
        """
        return _download(self.open_client(), trial.run_id, path, folder)

    def document(self, path: str) -> str:
        """Text of a file that the sweep's own run holds.

        Raises
        ------
        SweepError
            If it has no such file.
        """
        return _read_text(self.open_client(), self.run_id, path)

    def open_client(self) -> MlflowClient:
        """The store that these were read from.

        Raises
        ------
        ValueError
            If they were made by hand.
        """
        if self.client is None:
            raise ValueError("These results were not read from MLflow: histories are there alone.")
        return self.client


def sweep_names(client: MlflowClient, experiment_id: str) -> list[str]:
    """Names of the sweeps that a store holds."""
    return sorted({run.data.tags[metrics.TAG_SWEEP] for run in _parents(client, experiment_id)})


def read_sweeps(client: MlflowClient, experiment_id: str, name: str) -> list[SweepResults]:
    """Read every sweep of a name, the last to end first: they differ in data or in what is fixed.

    Raises
    ------
    SweepError
        If the store holds none, or one has no plan, as those of earlier versions.
    """
    found = [
        run for run in _parents(client, experiment_id) if run.data.tags[metrics.TAG_SWEEP] == name
    ]
    if not found:
        known = ", ".join(sweep_names(client, experiment_id)) or "none"
        raise SweepError(f"The store holds no sweep {name!r}. It holds: {known}.")
    return [read_sweep(client, experiment_id, run) for run in found]


def read_sweep(
    client: MlflowClient, experiment_id: str, parent: Run | str, plan: Plan | None = None
) -> SweepResults:
    """Read one sweep from its own run, or that run's id; whoever runs it knows its plan.

    Raises
    ------
    SweepError
        If it has no plan.
    """
    run = client.get_run(parent) if isinstance(parent, str) else parent
    run_id = str(run.info.run_id)
    plan = plan or Plan.from_json(_read_text(client, run_id, PLAN_FILE))
    children = _planned(plan, trial_runs(client, experiment_id, run_id))
    return SweepResults(
        plan=plan,
        trials=_ordered(plan, finished_trials(children)),
        failures=failed_trials(children),
        tags=dict(run.data.tags),
        run_id=run_id,
        client=client,
    )


def trial_runs(client: MlflowClient, experiment_id: str, parent_id: str) -> list[Run]:
    """The runs of a sweep's trials, the oldest first; its arms' summaries are none."""
    runs = search_runs(client, experiment_id, f"tags.`{PARENT_TAG}` = '{parent_id}'")
    trials = [run for run in runs if metrics.TAG_CONFIG_HASH in run.data.tags]
    return sorted(trials, key=lambda run: run.info.start_time)


def finished_trials(runs: Sequence[Run]) -> dict[str, FinishedTrial]:
    """Those of some trials' runs that are finished, by config hash."""
    trials = (_finished_trial(run) for run in runs if _has_status(run, RunStatus.FINISHED))
    return {trial.config_hash: trial for trial in trials}


def failed_trials(runs: Sequence[Run]) -> dict[str, str]:
    """Reasons of those of some trials' runs that failed, by config hash."""
    return {
        run.data.tags[metrics.TAG_CONFIG_HASH]: run.data.tags.get(metrics.TAG_FAILURE, "")
        for run in runs
        if _has_status(run, RunStatus.FAILED)
    }


def _parents(client: MlflowClient, experiment_id: str) -> list[Run]:
    """The sweeps' own runs, the last to end first; one that runs now before all."""
    parents = [
        run
        for run in search_runs(client, experiment_id, "")
        if PARENT_TAG not in run.data.tags and metrics.TAG_SWEEP in run.data.tags
    ]
    return sorted(parents, key=lambda run: run.info.end_time or math.inf, reverse=True)


def _planned(plan: Plan, runs: Sequence[Run]) -> list[Run]:
    """The runs of a plan's trials: a run of the same config on other data is another trial's.

    A search plans no trials, and plans of earlier versions name no data.
    """
    if not plan.trials:
        return list(runs)
    planned = {(trial.config_hash, trial.dataset_fingerprint) for trial in plan.trials}
    kept = []
    for run in runs:
        config_hash = run.data.tags[metrics.TAG_CONFIG_HASH]
        fingerprint = run.data.tags.get(metrics.TAG_DATASET_FINGERPRINT)
        if planned & {(config_hash, fingerprint), (config_hash, None)}:
            kept.append(run)
    return kept


def _ordered(plan: Plan, finished: Mapping[str, FinishedTrial]) -> list[FinishedTrial]:
    if not plan.trials:
        return list(finished.values())
    planned = dict.fromkeys(trial.config_hash for trial in plan.trials)
    return [finished[config_hash] for config_hash in planned if config_hash in finished]


def _finished_trial(run: Run) -> FinishedTrial:
    tags = run.data.tags
    return FinishedTrial(
        run_id=str(run.info.run_id),
        config_hash=tags[metrics.TAG_CONFIG_HASH],
        seed=int(tags[metrics.TAG_SEED]),
        params=dict(run.data.params),
        final={key: value for key, value in run.data.metrics.items() if metrics.is_final(key)},
        dataset_fingerprint=tags.get(metrics.TAG_DATASET_FINGERPRINT),
    )


def _has_status(run: Run, status: int) -> bool:
    return bool(run.info.status == RunStatus.to_string(status))


def _read_text(client: MlflowClient, run_id: str, path: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return _download(client, run_id, path, Path(folder)).read_text()


def _download(client: MlflowClient, run_id: str, path: str, folder: Path) -> Path:
    try:
        return Path(client.download_artifacts(run_id, path, str(folder)))
    except (MlflowException, OSError) as error:
        raise SweepError(
            f"Run {run_id} has no readable {path!r} ({first_line(error)}). A sweep of an earlier "
            "version gets its plan by running its command again; one whose folder was moved must "
            "be moved back, or read from a server."
        ) from error
