"""Make the reports of finished sweeps again, from MLflow alone.

    python -m sweep.report ablation_p
    python -m sweep.report ablation_p pretraining --tracking-uri http://HOST:5000 --output reports

Every sweep of a name is read. Where several share one, differing in data or in what is fixed, they
are listed, and the last to end takes the folder NAME, an earlier one NAME-ID. It takes seconds:
nothing is trained and nothing in MLflow changes. A sweep without a report of its own in
`sweep.report` gets the plain table.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sweep.errors import SweepError
from sweep.report import build_report, check_measures
from sweep.report.present import present
from sweep.tracking import metrics
from sweep.tracking.connect import connect_to_read
from sweep.tracking.reader import read_sweeps
from sweep.tracking.results import SweepResults

EXIT_OK, EXIT_REFUSED = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code. 0: all are written. 2: refused, in one line."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    options = _parser().parse_args(arguments)
    try:
        _run(options, console)
    except SweepError as error:
        console.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        return EXIT_REFUSED
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sweep.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="of a sweep, such as ablation_p")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        default=Path("runs"),
        help="where the sweep's files are and the report's go (default: runs)",
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow server, or sqlite:///FILE (default: sqlite file in --output)",
    )
    parser.add_argument(
        "--sweep-id", metavar="ID", help="only this one of the sweeps that share a name"
    )
    parser.add_argument(
        "--measures",
        nargs="*",
        metavar="NAME",
        help="show these measures in the tables as well; without a name, all that there are",
    )
    return parser


def _run(options: argparse.Namespace, console: Console) -> None:
    check_measures(options.measures)
    output: Path = options.output.absolute()
    uri = options.tracking_uri or f"sqlite:///{output / 'mlflow.db'}"
    client, experiment_id = connect_to_read(uri)
    # All are read before any is written: a wrong name leaves no half of the answer.
    found = {
        name: read_sweeps(client, experiment_id, name) for name in dict.fromkeys(options.names)
    }
    for name, sweeps in found.items():
        if len(sweeps) > 1:
            console.print(f"{len(sweeps)} sweeps are named {escape(name)}:")
            for results in sweeps:
                console.print(escape(_description(results)))
        for results in _chosen(name, sweeps, options.sweep_id):
            is_newest = results is sweeps[0]
            folder = name if is_newest else f"{name}-{results.tags[metrics.TAG_SWEEP_ID]}"
            present(
                results,
                build_report,
                output / folder,
                console,
                to_mlflow=False,
                measures=options.measures,
            )


def _chosen(name: str, sweeps: list[SweepResults], sweep_id: str | None) -> list[SweepResults]:
    if sweep_id is None:
        return sweeps
    chosen = [results for results in sweeps if results.tags[metrics.TAG_SWEEP_ID] == sweep_id]
    if not chosen:
        known = ", ".join(results.tags[metrics.TAG_SWEEP_ID] for results in sweeps)
        raise SweepError(f"No sweep {name!r} has the id {sweep_id!r}. There is: {known}.")
    return chosen


def _description(results: SweepResults) -> str:
    plan = results.plan
    number = f"{len(results.trials)} finished trials"
    return f"  {results.tags[metrics.TAG_SWEEP_ID]}  {plan.title}, {number}"


if __name__ == "__main__":
    sys.exit(main())
