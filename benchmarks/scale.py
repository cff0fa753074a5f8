"""What a sweep's driver and MLflow cost, apart from training: many trials that do almost nothing.

    python -m benchmarks.scale --trials 1000 --runs 10000

On four Ray nodes of one CPU, an S3 server and MLflow on PostgreSQL, all on this machine, so all
share its cores. With --runs the same is done once more in an experiment that holds so many runs.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from sweep.tracking import metrics
from tests.chaos.world import World, world
from tests.sweep.command import start

NUM_NODES = 4


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One sweep."""

    wall: float
    """Seconds from the command to its end."""

    first: float
    """From the command to the first trial's run in MLflow."""

    beyond: float
    """Of a trial, in seconds of its CPU, beyond its training."""

    driver_cpu: float
    driver_memory: float
    """Seconds, and megabytes at their peak."""

    mlflow_cpu: float
    """Of the MLflow server, in seconds."""

    points: float
    """Metrics written a second, from the first trial on."""


def measure(its: World, output: Path, num_trials: int, epochs: int) -> Measured:
    """Run a sweep to its end. Sweeps of other epochs are other sweeps."""
    server = its.mlflow_processes()
    mlflow_before = sum(map(_cpu_seconds, server))
    began = time.time()
    driver = start(
        *("tests.chaos.nothing", "--output", output, "--seeds", str(num_trials)),
        *("--tracking-uri", its.tracking_uri, "--storage", its.storage),
        *("--address", its.nodes.address, "--set", f"num_epochs={epochs}"),
        **its.nodes.variables,
    )
    process, cpu, memory = psutil.Process(driver.pid), 0.0, 0.0
    # Somebody must read what it prints, or it stands still once the pipe is full.
    printed: list[str] = []
    reader = threading.Thread(target=lambda: printed.append(driver.communicate()[0]))
    reader.start()
    while reader.is_alive():
        time.sleep(0.5)
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            cpu, memory = _cpu_seconds(process), max(memory, process.memory_info().rss / 1e6)
    if driver.returncode != 0:
        raise RuntimeError(printed[0])
    wall = time.time() - began
    with psycopg.connect(its.postgres) as connection:
        (first, last, training, points) = connection.execute(
            "SELECT MIN(runs.start_time), MAX(runs.end_time), SUM(seconds.value), "
            "(SELECT COUNT(*) FROM metrics JOIN runs r USING (run_uuid) WHERE r.start_time > %s) "
            "FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = %s "
            "JOIN latest_metrics seconds ON seconds.run_uuid = runs.run_uuid AND seconds.key = %s "
            "WHERE runs.start_time > %s",
            (began * 1000, metrics.TAG_CONFIG_HASH, metrics.TRAIN_SECONDS, began * 1000),
        ).fetchone() or (0, 0, 0, 0)
    busy = (last - first) / 1000
    return Measured(
        wall=wall,
        first=first / 1000 - began,
        beyond=(NUM_NODES * busy - training) / num_trials,
        driver_cpu=cpu,
        driver_memory=memory,
        mlflow_cpu=sum(map(_cpu_seconds, server)) - mlflow_before,
        points=points / busy,
    )


def copy_runs(postgres: str, number: int) -> None:
    """Fill the experiment with copies of its trials' runs, under sweeps of their own."""
    with psycopg.connect(postgres) as connection:
        runs = [
            run
            for (run,) in connection.execute(
                "SELECT run_uuid FROM tags WHERE key = %s", (metrics.TAG_CONFIG_HASH,)
            )
        ]
        columns: Mapping[str, list[str]] = {
            table: [
                name
                for (name,) in connection.execute(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
                    "AND column_name <> 'run_uuid'",
                    (table,),
                )
            ]
            for table in ("runs", "params", "tags", "metrics", "latest_metrics")
        }
        for copy in range(-(-number // len(runs))):
            for table, names in columns.items():
                listed = ", ".join(f'"{name}"' for name in names)
                values = ", ".join(
                    # A sweep of its own for every copy of all runs.
                    f"CASE WHEN key IN ('{metrics.TAG_SWEEP_ID}', 'mlflow.parentRunId') "
                    f"THEN 'copy{copy}' ELSE value END"
                    if (table, name) == ("tags", "value")
                    else f'"{name}"'
                    for name in names
                )
                connection.execute(
                    f"INSERT INTO {table} (run_uuid, {listed}) "
                    f"SELECT md5(run_uuid || '{copy}'), {values} FROM {table} "
                    "WHERE run_uuid = ANY(%s)",
                    (runs[: number - copy * len(runs)],),
                )


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=60, help="of a sweep (default: 60)")
    parser.add_argument("--runs", type=int, default=600, help="in the experiment (default: 600)")
    options = parser.parse_args()
    table = Table(title=f"Sweeps of {options.trials} trials that do almost nothing")
    for column in (
        *("runs before", "wall s", "first trial s", "beyond, s a trial", "driver CPU s"),
        *("driver MB", "MLflow CPU s", "metrics a second"),
    ):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name, world(Path(name)) as its:
        for number in range(NUM_NODES):
            its.nodes.add(INTERSECTION_CACHE=f"{name}/cache-{number}")
        for runs, epochs in ((0, 1), (options.runs, 2)):
            if runs:
                copy_runs(its.postgres, runs)
            done = measure(its, Path(name) / f"output-{epochs}", options.trials, epochs)
            table.add_row(
                *(str(runs + options.trials if runs else 0), f"{done.wall:.0f}"),
                *(f"{done.first:.1f}", f"{done.beyond:.2f}", f"{done.driver_cpu:.0f}"),
                *(f"{done.driver_memory:.0f}", f"{done.mlflow_cpu:.0f}", f"{done.points:.0f}"),
            )
    Console().print(table)


if __name__ == "__main__":
    main()
