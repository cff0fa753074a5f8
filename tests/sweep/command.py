"""Running the project's commands as a user does, and reading what they left in MLflow."""

import io
import os
import sqlite3
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stdout, suppress
from pathlib import Path

import psutil
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from sweep.tracking import metrics
from sweep.tracking.connect import EXPERIMENT
from sweep.tracking.reader import PARENT_TAG

ROOT = Path(__file__).parents[2]


def environment(**extra: str) -> dict[str, str]:
    """This process's environment, without a Ray cluster that it may know of."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **extra}


def start(module: str, *arguments: str | Path, **extra: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env=environment(**extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(module: str, *arguments: str | Path, timeout: float = 300) -> tuple[int, str]:
    process = start(module, *arguments)
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output


def call(program: Callable[[Sequence[str]], int], *arguments: str | Path) -> tuple[int, str]:
    """Run a command's `main` in this process, which has all its imports behind it."""
    text = io.StringIO()
    with redirect_stdout(text), warnings.catch_warnings():
        # What Ray's own processes leave open is no concern of ours.
        warnings.simplefilter("default")
        code = program(list(map(str, arguments)))
    return code, text.getvalue()


def children(tracking_uri: str, sweep: str = "tiny") -> list[Run]:
    """All trial runs of a sweep, whatever their status."""
    client = MlflowClient(tracking_uri=tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    runs = client.search_runs(
        [experiment.experiment_id], f"tags.sweep = '{sweep}'", max_results=500
    )
    return [run for run in runs if metrics.TAG_CONFIG_HASH in run.data.tags]


def count_finished(database: Path) -> int:
    """Finished trials in an MLflow sqlite file, which the driver may be making at this moment."""
    query = (
        "SELECT COUNT(*) FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid "
        f"WHERE tags.key = '{metrics.TAG_CONFIG_HASH}' AND runs.status = 'FINISHED'"
    )
    return _count(database, query)


def _count(database: Path, query: str) -> int:
    if not database.exists():
        return 0
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            count: int = connection.execute(query).fetchone()[0]
        except sqlite3.OperationalError as error:
            if "no such table" in str(error) or "locked" in str(error):
                return 0  # not made yet, or being written
            raise
    return count


def wait_for_epochs(output: Path, is_alive: Callable[[], bool], number: int) -> None:
    """Until MLflow holds so many epochs of a trial that runs."""
    query = (
        "SELECT COUNT(*) FROM metrics JOIN runs ON runs.run_uuid = metrics.run_uuid "
        f"WHERE metrics.key = '{metrics.LABEL_LOSS}' AND runs.status = 'RUNNING'"
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and is_alive():
        if _count(output / "mlflow.db", query) >= number:
            return
        time.sleep(0.05)
    raise AssertionError(f"No trial had {number} epochs, and the driver lives: {is_alive()}")


def parents(tracking_uri: str, sweep: str = "tiny") -> list[Run]:
    client = MlflowClient(tracking_uri=tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs(
        [experiment.experiment_id], f"tags.sweep = '{sweep}'", max_results=500
    )
    return [run for run in runs if PARENT_TAG not in run.data.tags]


def assert_each_trial_once(runs: list[Run], expected: int) -> None:
    counts = Counter(run.data.tags[metrics.TAG_CONFIG_HASH] for run in runs)
    assert len(counts) == expected
    assert set(counts.values()) == {1}
    assert {run.info.status for run in runs} == {"FINISHED"}


def assert_every_epoch_once(tracking_uri: str, runs: list[Run], num_epochs: int) -> None:
    client = MlflowClient(tracking_uri=tracking_uri)
    for run in runs:
        for key in (metrics.LABEL_LOSS, metrics.MINIVAL_ACCURACY, metrics.FIDELITY_SCORE):
            history = client.get_metric_history(run.info.run_id, key)
            assert sorted(point.step for point in history) == list(range(num_epochs)), key


ACTORS = ("ray::ResourceTrainable", "ray::TrialActor")
"""How Ray names the processes of trials, while they train and while they wait."""


def processes_of(driver: subprocess.Popen[str], *names: str) -> list[psutil.Process]:
    """Those that a driver's own Ray names so."""
    found = []
    with suppress(psutil.NoSuchProcess):  # the driver has ended
        for process in psutil.Process(driver.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "".join(process.cmdline()).startswith(names):
                    found.append(process)
    return found


def until(
    holds: Callable[[], bool], process: subprocess.Popen[str], *, seconds: float = 90
) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)
