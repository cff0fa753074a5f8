"""How far sweeps have come, from MLflow and the trials' storage: while they run, and afterwards.

    python -m sweep.status
    python -m sweep.status ablation_p --tracking-uri http://HOST:5000 --storage s3://BUCKET/trials
    python -m sweep.status --address HOST:6379 ...

It changes nothing. `driver` is whoever holds the sweep's lease in the storage.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from sweep.cli import EXIT_OK, guarded, make_console
from sweep.tracking import metrics
from sweep.tracking.places import add_store_flags, places

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

_NUM_FAILURES = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code. 0: said. 2: refused, in one line."""
    console = make_console()
    parser = add_store_flags(
        argparse.ArgumentParser(
            prog="python -m sweep.status",
            description=__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a sweep (default: all)")
    parser.add_argument(
        "--address", help="of a Ray cluster, to say as well how much of it is taken"
    )
    options = parser.parse_args(arguments)
    return guarded(console, lambda: _run(options, console))


def _run(options: argparse.Namespace, console: Console) -> int:
    from sweep.tracking.connect import connect_to_read
    from sweep.tracking.reader import sweep_runs

    if options.address:
        from sweep.engine.cluster_state import describe_cluster

        console.print(escape(describe_cluster(options.address)), soft_wrap=True)
    uri, storage = places(options)
    client, experiment_id = connect_to_read(uri)
    found = [
        run
        for name in (dict.fromkeys(options.names) or {None: None})
        for run in sweep_runs(client, experiment_id, name)
    ]
    for run in found:
        for line in describe(client, experiment_id, run, storage):
            console.print(escape(line), soft_wrap=True)
    return EXIT_OK


def describe(client: "MlflowClient", experiment_id: str, sweep: "Run", storage: str) -> list[str]:
    """What there is to say of a sweep, in lines; the first one names it.

    Parameters
    ----------
    client, experiment_id
        From `sweep.tracking.connect`.
    sweep
        The sweep's own run.
    storage
        Where its trials' checkpoints and its lease are.
    """
    from sweep.engine.lease import find_lease
    from sweep.tracking.reader import read_sweep, trial_runs
    from sweep.tracking.store import sweep_folder

    tags = sweep.data.tags
    results = read_sweep(client, experiment_id, sweep)
    trials = trial_runs(client, experiment_id, results.run_id)
    counts = Counter(str(run.info.status) for run in trials)
    planned = {(trial.config_hash, trial.dataset_fingerprint) for trial in results.plan.trials}
    num_done, num_running = len(results.trials), counts["RUNNING"]
    parts = [
        f"{num_done} of {len(planned)} done" if planned else f"{num_done} done",
        f"{num_running} running",
        f"{len(results.failures)} failed",
    ]
    num_waiting = max(0, len(planned) - num_done - num_running - len(results.failures))
    if planned:
        parts.append(f"{num_waiting} waiting")
    seconds = [trial.final.get(metrics.TRAIN_SECONDS, 0.0) for trial in results.trials]
    if seconds and num_running:
        # Those that run are half-way, as far as one can tell from here.
        left = (num_waiting / num_running + 0.5) * sum(seconds) / len(seconds)
        parts.append(f"about {left / 60:.0f} min left")
    parts.append(_hours(sum(seconds), tags))
    lines = [
        f"{results.plan.name}  {tags[metrics.TAG_SWEEP_ID]}  {results.plan.title}: "
        f"{str(sweep.info.status).lower()}",
        "  " + " · ".join(parts),
    ]
    lease = find_lease(sweep_folder(storage, tags[metrics.TAG_SWEEP_ID]))
    if lease is not None:
        state = "" if lease.is_alive else ", dead: the same command takes over"
        lines.append(f"  driver: {lease.holder}, last heartbeat {lease.age:.0f} s ago{state}")
    failed = [run for run in trials if run.info.status == "FAILED"]
    for run in failed[-_NUM_FAILURES:]:
        reason = run.data.tags.get(metrics.TAG_FAILURE, "")
        lines.append(f"  failed: {run.info.run_name}: {reason}")
    return lines


def _hours(seconds: float, tags: dict[str, str]) -> str:
    """What finished trials took, of what they ran on. Sweeps of earlier versions do not say."""
    gpus = float(tags.get(metrics.TAG_GPUS, 0))
    cpus = float(tags.get(metrics.TAG_CPUS, 1))
    number, kind = (gpus, "GPU") if gpus else (cpus, "CPU")
    return f"{seconds * number / 3600:.2f} {kind} hours in finished trials"


if __name__ == "__main__":
    sys.exit(main())
