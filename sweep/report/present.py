"""The end of a sweep's command, and all of `python -m sweep.report`: show a report and write it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sweep.errors import SweepError
from sweep.report._measures import show_measures
from sweep.report._registry import Build
from sweep.report._spread import Spread
from sweep.report.render import show, to_markdown, write
from sweep.report.table import COLUMNS, spreads
from sweep.tracking import metrics
from sweep.tracking.publisher import Summaries, publish
from sweep.tracking.results import SweepResults


def present(
    results: SweepResults,
    build: Build,
    folder: Path,
    console: Console,
    *,
    to_mlflow: bool,
    measures: Sequence[str] | None = None,
) -> None:
    """Show a report and write its files; the sweep's own command sends them to MLflow as well.

    `measures` are those that tables show as well: none by default, all if it is empty.
    """
    report = show_measures(build(results), measures)
    show(report, console)
    paths = write(report, folder)
    for path in paths:
        console.print(f"Written: {path}")
    if to_mlflow:
        try:
            note = to_markdown(report)
            publish(results, files=paths, note=note, summaries=summarise(results))
        except SweepError as error:
            # The files are here and the trials are in MLflow: no reason for the command to fail.
            console.print(f"[yellow]warning:[/yellow] {escape(str(error))}")


def summarise(results: SweepResults) -> Summaries:
    """Mean, deviation and count over the seeds of every final metric, by arm."""
    present_keys = {key for trial in results.trials for key in trial.final}
    # MLflow's comparison opens on the first: what the table shows comes before the rest.
    headline = [key for key in COLUMNS.values() if key in present_keys]
    keys = dict.fromkeys((*headline, *sorted(present_keys)))
    summaries: dict[str, dict[str, float]] = {}
    for key in keys:
        name = key.removeprefix(metrics.final(""))
        for arm, spread in spreads(results, key).items():
            summaries.setdefault(arm, {}).update(_numbers(name, spread))
    return summaries


def _numbers(name: str, spread: Spread) -> dict[str, float]:
    numbers = {f"{name}/mean": spread.mean, "seeds": float(spread.count)}
    if spread.deviation is not None:
        numbers[f"{name}/deviation"] = spread.deviation
    return numbers
