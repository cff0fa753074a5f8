"""MLflow, read back: what sweeps a store holds, and all that a report is made of.

It needs neither the sweep's file nor Ray nor the machine that ran it. What a run lacks is absent
here too: no metric is expected of every method or of every data set.
"""

import math
from collections.abc import Mapping, Sequence

from mlflow.entities import Run, RunStatus
from mlflow.tracking import MlflowClient

from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.connect import STORE_ERRORS, cannot_be_used, search_runs
from sweep.tracking.files import read_text
from sweep.tracking.plan import Plan
from sweep.tracking.results import FinishedTrial, SweepResults

PARENT_TAG = "mlflow.parentRunId"
HAS_NO_PARENT = f"tags.`{PARENT_TAG}` IS NULL"
"""Of MLflow's filters: a sweep's own run, among thousands of trials."""

PLAN_FILE = "plan.json"


def sweep_names(client: MlflowClient, experiment_id: str) -> list[str]:
    """Names of the sweeps that a store holds."""
    return sorted({run.data.tags[metrics.TAG_SWEEP] for run in _parents(client, experiment_id)})


def sweep_runs(client: MlflowClient, experiment_id: str, name: str | None = None) -> list[Run]:
    """The sweeps' own runs, of a name or all, the last to end first; one that runs before all.

    Raises
    ------
    SweepError
        If the store holds none of that name.
    """
    try:
        parents = _parents(client, experiment_id)
    except STORE_ERRORS as error:
        raise _cannot_be_read(client, error) from error
    found = [run for run in parents if name in (None, run.data.tags[metrics.TAG_SWEEP])]
    if not found:
        known = ", ".join(sweep_names(client, experiment_id)) or "none"
        raise SweepError(f"The store holds no sweep {name!r}. It holds: {known}.")
    return found


def read_sweeps(client: MlflowClient, experiment_id: str, name: str) -> list[SweepResults]:
    """Read every sweep of a name, the last to end first: they differ in data or in what is fixed.

    Raises
    ------
    SweepError
        If the store holds none, or one has no plan, as those of earlier versions.
    """
    found = sweep_runs(client, experiment_id, name)
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
    try:
        run = client.get_run(parent) if isinstance(parent, str) else parent
        run_id = str(run.info.run_id)
        plan = plan or Plan.from_json(read_text(client, run_id, PLAN_FILE))
        children = _planned(plan, trial_runs(client, experiment_id, run_id))
    except STORE_ERRORS as error:
        raise _cannot_be_read(client, error) from error
    return SweepResults(
        plan=plan,
        trials=_ordered(plan, finished_trials(children)),
        failures=failed_trials(children),
        pruned=pruned_trials(children),
        tags=dict(run.data.tags),
        run_id=run_id,
        client=client,
    )


def _cannot_be_read(client: MlflowClient, error: Exception) -> SweepError:
    return cannot_be_used(str(client.tracking_uri), error)


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


def pruned_trials(runs: Sequence[Run]) -> dict[str, str]:
    """When those of some trials' runs were stopped that a pruner gave up, by config hash."""
    return {
        run.data.tags[metrics.TAG_CONFIG_HASH]: run.data.tags[metrics.TAG_PRUNED]
        for run in runs
        if metrics.TAG_PRUNED in run.data.tags
    }


def _parents(client: MlflowClient, experiment_id: str) -> list[Run]:
    """The sweeps' own runs, the last to end first; one that runs now before all."""
    parents = [
        run
        for run in search_runs(client, experiment_id, HAS_NO_PARENT)
        if metrics.TAG_SWEEP in run.data.tags
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
