"""Report of `sweep.table1`: a table, paired differences and a figure for each data set."""

from collections.abc import Mapping

from sweep.report._arms import floor_of
from sweep.report._pairs import differences_table
from sweep.report._published import published
from sweep.report._report import Cell, Column, Figure, Panel, Point, Report, Series, Table
from sweep.report._spread import Spread
from sweep.report._words import NO_FIDELITY, means_in_words
from sweep.report.table import spreads
from sweep.tracking import metrics
from sweep.tracking.plan import Arm
from sweep.tracking.results import SweepResults

REFERENCE = "intersection"
"""The row that all others are compared with."""

ACCURACY = metrics.final(metrics.TEST_ACCURACY)
FIDELITY = metrics.final(metrics.FIDELITY_SCORE)
COLUMNS: Mapping[str, str] = {
    "accuracy": ACCURACY,
    "of its levels": metrics.final("test_quantized_accuracy"),
    "fidelity": FIDELITY,
    "held-out": metrics.final(metrics.FIDELITY_HELDOUT),
    "held-out gain": metrics.final("heldout_gain"),
    "untrained": metrics.final("untrained_heldout"),
    "floor": metrics.final(metrics.FIDELITY_FLOOR),
    "class detector": metrics.final("class_detector_heldout"),
    "shuffled": metrics.final("shuffled_heldout"),
    "probe": metrics.final("probe_f1"),
    "one to one": metrics.final("one_to_one"),
    "class independence": metrics.final("class_independence"),
    "zero levels": metrics.final(metrics.ZERO_SHARE),
    "minival": metrics.final(metrics.MINIVAL_ACCURACY),
}
"""By column; one that no trial has a number for is left out."""

NARROW = ("accuracy", "fidelity", "held-out", "held-out gain")
BETTER = ("accuracy", "of its levels", "fidelity", "held-out", "held-out gain", "one to one")
COMPARED = {
    "accuracy": ACCURACY,
    "fidelity": FIDELITY,
    "held-out fidelity": metrics.final(metrics.FIDELITY_HELDOUT),
    "held-out gain": metrics.final("heldout_gain"),
}


def build(results: SweepResults) -> Report:
    """All rows on each data set, less the paper's own method, and accuracy against fidelity."""
    by_dataset: dict[str, dict[str, Arm]] = {}
    for arm in results.plan.arms:
        row, dataset = arm.name.rsplit(" ", 1)
        by_dataset.setdefault(dataset, {})[row] = arm
    tables: list[Table] = []
    figures: list[Figure] = []
    for dataset, rows in by_dataset.items():
        tables.append(_table(results, dataset, rows))
        if REFERENCE in rows and len(rows) > 1:
            pairs = [(rows[row].name, rows[REFERENCE].name) for row in rows if row != REFERENCE]
            tables.append(
                differences_table(results, pairs, COMPARED, name=f"differences_{dataset}")
            )
        figures += _figure(results, dataset, rows)
    return Report(title=results.plan.title, tables=tables, figures=figures)


def _table(results: SweepResults, dataset: str, rows: Mapping[str, Arm]) -> Table:
    found = {title: spreads(results, key) for title, key in COLUMNS.items()}
    names = {arm.name for arm in rows.values()}
    kept = {title: by_arm for title, by_arm in found.items() if by_arm.keys() & names}
    printed = {row: published(row, dataset) for row in rows}
    has_printed = any(value is not None for values in printed.values() for value in values)
    papers = ("paper's accuracy", "paper's fidelity") if has_printed else ()
    cells: list[list[Cell]] = []
    for row, arm in rows.items():
        planned = sum(trial.arm == arm.name for trial in results.plan.trials)
        finished = len(results.of_arm(arm.name))
        own: list[Cell] = [by_arm.get(arm.name) for by_arm in kept.values()]
        of_paper: list[Cell] = list(printed[row]) if has_printed else []
        cells.append([row, *own, *of_paper, finished, planned - finished])
    return Table(
        name=f"table_{dataset}",
        title=f"{dataset}\npercent on test, mean ± deviation over seeds",
        columns=[
            Column(name="row", unit="text"),
            *(
                Column(
                    name=title,
                    direction="higher" if title in BETTER else None,
                    narrow=title in NARROW,
                )
                for title in kept
            ),
            *(Column(name=title) for title in papers),
            Column(name="seeds", unit="count"),
            Column(name="failed", unit="count"),
        ],
        rows=cells,
        note=_note(kept),
    )


def _note(kept: Mapping[str, Mapping[str, Spread]]) -> str:
    if "fidelity" not in kept and "zero levels" in kept:
        return NO_FIDELITY
    if "held-out gain" not in kept:
        return ""
    return (
        "held-out: features chosen on minival, scored on test; gain: over the same network before "
        "training"
    )


def _figure(results: SweepResults, dataset: str, rows: Mapping[str, Arm]) -> list[Figure]:
    """None while no row has both numbers."""
    accuracies, fidelities = spreads(results, ACCURACY), spreads(results, FIDELITY)
    shown = {
        row: arm.name
        for row, arm in rows.items()
        if arm.name in accuracies and arm.name in fidelities
    }
    if not shown:
        return []
    panel = Panel(
        y_label="fidelity",
        x_label="test accuracy (%)",
        labelled=True,
        series=[
            Series(
                label=row,
                joined=False,
                points=[Point.of(100 * accuracies[name].mean, fidelities[name])],
            )
            for row, name in shown.items()
        ],
        levels=floor_of(results, list(shown.values())),
    )
    return [
        Figure(
            name=f"figure_{dataset}",
            title=f"{dataset}: accuracy against fidelity",
            panels=[panel],
            alternative=means_in_words(
                "fidelity", {row: fidelities[name] for row, name in shown.items()}
            ),
        )
    ]
