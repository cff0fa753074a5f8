"""Stop a sweep that runs somewhere: it ends as after Ctrl-C, and the same command goes on later.

    python -m sweep.cancel ablation_p
    python -m sweep.cancel ablation_p --tracking-uri http://HOST:5000 --storage s3://BUCKET/trials

The request lies in the trials' storage, where the sweep's driver finds it within seconds, on
whatever machine it runs.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from sweep.cli import EXIT_OK, guarded, make_console
from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.places import add_store_flags, places

if TYPE_CHECKING:
    from sweep.engine.lease import Standing

_LOOK_EVERY = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code. 0: it has stopped. 2: refused, in one line, or it goes on."""
    console = make_console()
    parser = add_store_flags(
        argparse.ArgumentParser(
            prog="python -m sweep.cancel",
            description=__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
    )
    parser.add_argument("name", metavar="NAME", help="of the sweep, such as ablation_p")
    parser.add_argument("--sweep-id", metavar="ID", help="only this one of those of the name")
    parser.add_argument(
        "--wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for its end (default: 60)",
    )
    options = parser.parse_args(arguments)
    return guarded(console, lambda: _run(options, console))


def _run(options: argparse.Namespace, console: Console) -> int:
    from sweep.engine.lease import ask_to_stop, find_lease
    from sweep.tracking.connect import connect_to_read
    from sweep.tracking.reader import sweep_runs
    from sweep.tracking.store import sweep_folder

    uri, storage = places(options)
    client, experiment_id = connect_to_read(uri)
    ids = [
        run.data.tags[metrics.TAG_SWEEP_ID]
        for run in sweep_runs(client, experiment_id, options.name)
    ]
    if options.sweep_id is not None and options.sweep_id not in ids:
        raise SweepError(
            f"No sweep {options.name!r} has the id {options.sweep_id!r}. "
            f"There is: {', '.join(ids)}."
        )
    chosen = ids if options.sweep_id is None else [options.sweep_id]
    leases = {
        folder: lease
        for folder in (sweep_folder(storage, sweep_id) for sweep_id in chosen)
        if (lease := find_lease(folder)) is not None and lease.is_alive
    }
    if not leases:
        raise SweepError(
            f"Nobody drives {options.name!r}, as --storage {storage!r} has it: there is nothing to "
            "stop. Is this the --storage (or --output) that the sweep was given?"
        )
    for folder, lease in leases.items():
        ask_to_stop(folder)
        console.print(escape(f"Asked {lease.holder} to stop."))
    deadline = time.monotonic() + options.wait
    while any(_still_holds(find_lease(folder), lease) for folder, lease in leases.items()):
        if time.monotonic() > deadline:
            raise SweepError(
                f"It has not stopped in {options.wait:g} s. It may be waiting for MLflow: look at "
                "its log, or ask again with a longer --wait."
            )
        time.sleep(_LOOK_EVERY)
    console.print("Stopped. The command that started it goes on with what is left.")
    return EXIT_OK


def _still_holds(now: "Standing | None", before: "Standing") -> bool:
    return now is not None and now.is_alive and now.holder.token == before.holder.token


if __name__ == "__main__":
    sys.exit(main())
