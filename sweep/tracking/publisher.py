"""What a sweep's own run in MLflow gets at its end: report, note, and each arm's means.

An arm's means stand in a run of its own, nested under the sweep's and tagged `kind=arm`. Metrics
such as `arm/fidelity_mean` on the sweep's run were tried as well, in the UI of MLflow 3.17 with
the 14 arms of `ablation_p`: one list of some 200 rows, in which nothing can be compared or drawn
over p, and with arms spelt otherwise, since a metric's key may not hold "=". Runs of their own,
found by `tags.kind = 'arm'`, fill the UI's comparison: what the arms differ in are its axes and
rows, and the means and deviations its metrics. They have no config hash, by which resuming and
reading know trials.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, Param, Run, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.connect import first_line, search_runs
from sweep.tracking.names import short_name
from sweep.tracking.plan import Plan
from sweep.tracking.reader import PARENT_TAG
from sweep.tracking.results import SweepResults

REPORT_FOLDER = "report"
"""Folder of the report's files among the artifacts of the sweep's own run."""

_NOTE_LENGTH = 8000  # characters that MLflow takes of a tag
_REST = f"\n\nThe rest is in the artifacts, in `{REPORT_FOLDER}/`.\n"

Summaries = Mapping[str, Mapping[str, float]]
"""Metric to value, by arm."""


def publish(
    results: SweepResults, *, files: Iterable[Path], note: str, summaries: Summaries
) -> None:
    """Attach a report to its sweep. Doing it again replaces what was there.

    Parameters
    ----------
    results
        As read from MLflow.
    files
        Figures and tables.
    note
        Markdown, which the run's page shows.
    summaries
        What each arm comes to over its seeds.

    Raises
    ------
    SweepError
        If MLflow does not take it. The trials' numbers are there whatever happens here.
    """
    client = results.open_client()
    try:
        for file in files:
            client.log_artifact(results.run_id, str(file), REPORT_FOLDER)
        client.set_tag(results.run_id, MLFLOW_RUN_NOTE, _cut(note))
        _publish_arms(client, results, summaries)
    except (MlflowException, OSError) as error:
        raise SweepError(
            f"MLflow did not take the report ({first_line(error)}): run the same command again, "
            "which trains nothing anew."
        ) from error


def _cut(note: str) -> str:
    """Keep the whole lines of a note that MLflow would refuse for its length."""
    if len(note) <= _NOTE_LENGTH:
        return note
    kept = note[: _NOTE_LENGTH - len(_REST)]
    return kept[: kept.rfind("\n")] + _REST


def _publish_arms(client: MlflowClient, results: SweepResults, summaries: Summaries) -> None:
    experiment_id = str(client.get_run(results.run_id).info.experiment_id)
    own = (
        f"tags.`{PARENT_TAG}` = '{results.run_id}' and "
        f"tags.`{metrics.TAG_KIND}` = '{metrics.KIND_ARM}'"
    )
    known = {r.data.tags[metrics.TAG_ARM]: r for r in search_runs(client, experiment_id, own)}
    for arm, numbers in summaries.items():
        tags = {
            PARENT_TAG: results.run_id,
            MLFLOW_RUN_NAME: short_name(arm),
            metrics.TAG_KIND: metrics.KIND_ARM,
            metrics.TAG_ARM: arm,
            **{key: results.tags[key] for key in _SHARED_TAGS if key in results.tags},
        }
        run = known.get(arm) or client.create_run(experiment_id, tags=tags)
        _update(client, run, numbers, _varied(results.plan, arm))
        client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FINISHED))


_SHARED_TAGS: Sequence[str] = (
    metrics.TAG_SWEEP,
    metrics.TAG_SWEEP_ID,
    metrics.TAG_DATASET_FINGERPRINT,
)


def _update(
    client: MlflowClient, run: Run, numbers: Mapping[str, float], params: Mapping[str, object]
) -> None:
    # Of two values at one step MLflow shows the later one: one more seed, one more point.
    now = int(time.time() * 1000)
    changed = [
        Metric(key, value, now, 0)
        for key, value in numbers.items()
        if run.data.metrics.get(key) != value
    ]
    new = [Param(key, str(value)) for key, value in params.items() if key not in run.data.params]
    client.log_batch(run.info.run_id, metrics=changed, params=new, tags=[])


def _varied(plan: Plan, arm: str) -> dict[str, object]:
    """An arm's values of the fields that some arm changes: the axes of MLflow's comparison."""
    (overrides,) = (known.overrides for known in plan.arms if known.name == arm)
    fields = dict.fromkeys(key for known in plan.arms for key in known.overrides)
    return {key: overrides.get(key, plan.base.get(key)) for key in fields}
