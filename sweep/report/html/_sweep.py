"""What a page says of one sweep, ready for the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sweep.report._answer import answer_of
from sweep.report._measures import show_measures
from sweep.report._registry import build_report
from sweep.report._report import Table
from sweep.report._spread import Spread
from sweep.report.html._choice import chosen_runs, run_name
from sweep.report.html._plots import Plot, plots_of
from sweep.report.html._run import RunView, run_view
from sweep.report.html._search import search_plots
from sweep.report.render._cells import cell_text
from sweep.tracking import metrics
from sweep.tracking.results import SweepResults


@dataclass(frozen=True, kw_only=True)
class TableView:
    """A table's cells as people read them."""

    title: str
    subtitle: str
    names: Sequence[str]
    is_text: Sequence[bool]
    rows: Sequence[Sequence[str]]
    best: Sequence[Sequence[bool]]
    """Whether a cell is the best of its column."""

    note: str
    shown_rows: int
    all_columns: "TableView | None" = None
    """The same with the columns that are left out here; None where none is."""


@dataclass(frozen=True, kw_only=True)
class SweepView:
    """One sweep on a page."""

    name: str
    title: str
    question: str
    answer: str
    tables: Sequence[TableView]
    plots: Sequence[Plot]
    texts: Sequence[str]
    failures: Sequence[tuple[str, str]]
    """Name and reason."""

    cost: Sequence[str]
    command: str
    """The command that made it; empty where MLflow does not hold it."""

    about: Sequence[tuple[str, str]]
    """Where it comes from: names and values."""

    runs: Sequence[RunView]


def sweep_view(
    results: SweepResults,
    *,
    run_ids: Sequence[str] = (),
    places: Mapping[str, str] | None = None,
    measures: Sequence[str] | None = None,
) -> SweepView:
    """Make a sweep's report, look into its best run or those that were asked for.

    `measures` are those that tables show at first: all are in the wider table below.

    Raises
    ------
    SweepError
        If a run's files or data cannot be read.
    """
    report = show_measures(build_report(results), measures)
    is_search = metrics.TAG_OBJECTIVE in results.tags or results.plan.name == "search"
    plots = [plot for figure in report.figures for plot in plots_of(figure)]
    runs = [
        run_view(
            results,
            chosen.trial,
            name=chosen.name,
            why=chosen.why,
            facts=chosen.facts,
            places=places or {},
        )
        for chosen in chosen_runs(results, run_ids)
    ]
    return SweepView(
        name=results.plan.name,
        title=report.title,
        question=report.question,
        answer=report.answer or answer_of(results),
        tables=[table_view(table) for table in report.tables if table.rows],
        plots=search_plots(results, report) if is_search else plots,
        texts=[text for text in report.texts if text != report.answer],
        failures=[
            (run_name(results, config_hash), reason or "no reason was kept")
            for config_hash, reason in results.failures.items()
        ],
        cost=_cost(results),
        command=results.tags.get(metrics.TAG_COMMAND, ""),
        about=_about(results),
        runs=runs,
    )


def table_view(table: Table) -> TableView:
    """What is shown of a table, and all of it; cells that are the best of a column are marked."""
    narrow = _with_columns(table, [p for p, column in enumerate(table.columns) if column.narrow])
    whole = _view(table)
    is_cut = len(narrow.columns) < len(table.columns)
    return replace(_view(narrow), all_columns=whole if is_cut else None)


def _with_columns(table: Table, places: Sequence[int]) -> Table:
    return replace(
        table,
        columns=[table.columns[place] for place in places],
        rows=[[row[place] for place in places] for row in table.rows],
    )


def _view(table: Table) -> TableView:
    title, _, subtitle = table.title.partition("\n")
    cells = [
        [cell_text(cell, column) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    return TableView(
        title=title,
        subtitle=subtitle.replace("\n", "; "),
        names=[column.short or column.name for column in table.columns],
        is_text=[column.unit in ("text", "arm") for column in table.columns],
        rows=cells,
        best=_best(table),
        note=table.note,
        shown_rows=table.shown_rows or len(cells),
    )


def _best(table: Table) -> list[list[bool]]:
    marks = [[False] * len(table.columns) for _ in table.rows]
    if len(table.rows) < 2:
        return marks
    for place, column in enumerate(table.columns):
        if column.direction is None:
            continue
        cells = [row[place] for row in table.rows]
        means = [cell.mean if isinstance(cell, Spread) else cell for cell in cells]
        numbers = [value for value in means if isinstance(value, float)]
        if not numbers:  # of words, or of differences, of which none is a winner
            continue
        best = max(numbers) if column.direction == "higher" else min(numbers)
        for index, value in enumerate(means):
            marks[index][place] = value == best
    return marks


def _cost(results: SweepResults) -> list[str]:
    seconds = [
        trial.final[metrics.TRAIN_SECONDS]
        for trial in results.trials
        if metrics.TRAIN_SECONDS in trial.final
    ]
    if not seconds:
        return ["No finished trial says how long it trained."]
    gpus = float(results.tags.get(metrics.TAG_GPUS, 0))
    cpus = float(results.tags.get(metrics.TAG_CPUS, 1))
    number, kind = (gpus, "GPU") if gpus else (cpus, "CPU")
    total = sum(seconds) * number / 3600
    return [
        f"{total:.3g} {kind} hours of training in {len(seconds)} finished trials, "
        f"{number:g} {kind}{'s' if number > 1 else ''} each.",
        f"A trial trains for {sum(seconds) / len(seconds):.0f} s in the mean, from "
        f"{min(seconds):.0f} to {max(seconds):.0f} s.",
        "Failed trials, start-up and evaluation are not counted.",
    ]


def _about(results: SweepResults) -> list[tuple[str, str]]:
    tags = results.tags
    planned = len({trial.config_hash for trial in results.plan.trials}) or len(results.trials)
    found = [
        ("finished trials", f"{len(results.trials)} of {planned}"),
        ("seeds", str(len(results.plan.seeds))),
        ("sweep", tags.get(metrics.TAG_SWEEP_ID, "")),
        ("git commit", tags.get(metrics.TAG_GIT_COMMIT, "")[:12]),
        ("fingerprint of the data", tags.get(metrics.TAG_DATASET_FINGERPRINT, "")[:12]),
    ]
    return [(name, value) for name, value in found if value]
