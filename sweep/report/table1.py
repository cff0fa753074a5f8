"""Report of `sweep.table1`: tables, paired differences and figures for each data set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweep.report._arms import floor_of
from sweep.report._measures import columns_of_measures
from sweep.report._pairs import differences_table
from sweep.report._published import published
from sweep.report._report import Cell, Column, Figure, Level, Panel, Point, Report, Series, Table
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
HELDOUT = metrics.final(metrics.FIDELITY_HELDOUT)
GAIN = metrics.final("heldout_gain")
COLUMNS: Mapping[str, tuple[str, Column]] = {
    "accuracy": (ACCURACY, Column(name="accuracy", direction="higher")),
    "fidelity": (FIDELITY, Column(name="fidelity", direction="higher")),
    "held-out": (HELDOUT, Column(name="held-out", direction="higher")),
    "held-out gain": (GAIN, Column(name="held-out gain", direction="higher", short="gain")),
    "of its levels": (
        metrics.final("test_quantized_accuracy"),
        Column(name="of its levels", direction="higher", narrow=False),
    ),
    "floor": (metrics.final(metrics.FIDELITY_FLOOR), Column(name="floor", narrow=False)),
    "zero levels": (metrics.final(metrics.ZERO_SHARE), Column(name="zero levels", narrow=False)),
    "minival": (metrics.final(metrics.MINIVAL_ACCURACY), Column(name="minival", narrow=False)),
    **columns_of_measures(),
}
"""Final metric and column by title; one that no trial has a number for is left out."""

CONTROLS: Mapping[str, tuple[str, Column]] = {
    "held-out": (HELDOUT, Column(name="held-out", direction="higher", narrow=False)),
    "untrained": (metrics.final("untrained_heldout"), Column(name="untrained")),
    "shuffled": (metrics.final("shuffled_heldout"), Column(name="shuffled")),
    "shuffled within classes": (
        metrics.final("shuffled_within_classes_heldout"),
        Column(name="shuffled within classes", short="in classes"),
    ),
    "probes": (metrics.final("probe_f1"), Column(name="probes")),
    "stumps": (metrics.final("stump_f1"), Column(name="stumps", narrow=False)),
    **{
        title: (metrics.final(name), Column(name=title, narrow=False))
        for title, name in {
            "class detector": "class_detector_heldout",
            "fidelity": metrics.FIDELITY_SCORE,
            "fidelity, untrained": "untrained_score",
            "fidelity, shuffled": "shuffled_score",
            "fidelity, shuffled within classes": "shuffled_within_classes_score",
            "fidelity, class detector": "class_detector_score",
        }.items()
    },
}
"""The same of what fidelity is read beside."""

COMPARED = {
    "accuracy": ACCURACY,
    "fidelity": FIDELITY,
    "held-out fidelity": HELDOUT,
    "held-out gain": GAIN,
}
DRAWN = {"test accuracy": ACCURACY, "fidelity": FIDELITY, "held-out gain": GAIN}


def build(results: SweepResults) -> Report:
    """All rows on each data set, their controls, less the paper's own method, and two figures."""
    by_dataset: dict[str, dict[str, Arm]] = {}
    for arm in results.plan.arms:
        row, dataset = arm.name.rsplit(" ", 1)
        by_dataset.setdefault(dataset, {})[row] = arm
    tables: list[Table] = []
    figures: list[Figure] = []
    for dataset, rows in by_dataset.items():
        tables.append(_table(results, dataset, rows))
        tables += _controls(results, dataset, rows)
        if REFERENCE in rows and len(rows) > 1:
            tables.append(_differences(results, dataset, rows))
        figures += _accuracy_against_fidelity(results, dataset, rows)
        figures += _intervals(results, dataset, rows)
    return Report(
        title=results.plan.title,
        tables=tables,
        figures=figures,
        question="Which method's features match attributes that none was shown, at what accuracy?",
    )


def _table(results: SweepResults, dataset: str, rows: Mapping[str, Arm]) -> Table:
    columns, by_row = _spreads_by_row(results, rows, COLUMNS)
    printed = {row: published(row, dataset) for row in rows}
    has_printed = any(value is not None for values in printed.values() for value in values)
    papers = [
        Column(name="paper's accuracy", short="paper acc."),
        Column(name="paper's fidelity", short="paper fid."),
    ]
    cells: list[list[Cell]] = []
    counts: list[tuple[int, int]] = []
    for row, arm in rows.items():
        planned = sum(trial.arm == arm.name for trial in results.plan.trials)
        finished = len(results.of_arm(arm.name))
        counts.append((finished, planned - finished))
        of_paper: list[Cell] = list(printed[row]) if has_printed else []
        cells.append([row, *by_row[row], *of_paper, *counts[-1]])
    # Where all have as many, the title says so and the columns are left to the files.
    are_alike = len(set(counts)) == 1 and counts[0][1] == 0
    return Table(
        name=f"table_{dataset}",
        title=f"{dataset}\npercent on test, {_over_seeds(counts[0][0] if are_alike else None)}",
        columns=[
            Column(name="row", unit="text"),
            *columns,
            *(papers if has_printed else ()),
            Column(name="seeds", unit="count", narrow=not are_alike),
            Column(name="failed", unit="count", narrow=not are_alike),
        ],
        rows=cells,
        note=_note(results, rows, [column.name for column in columns]),
    )


def _note(results: SweepResults, rows: Mapping[str, Arm], titles: Sequence[str]) -> str:
    levels = spreads(results, metrics.final(metrics.ZERO_SHARE))
    if "fidelity" not in titles and any(arm.name in levels for arm in rows.values()):
        return NO_FIDELITY
    if "held-out gain" not in titles:
        return ""
    return (
        "held-out: features chosen on minival, scored on test; gain: held-out over the same "
        "network before training"
    )


def _over_seeds(count: int | None) -> str:
    if count == 1:
        return "of one seed"
    return "mean ± deviation over " + ("seeds" if count is None else f"{count} seeds")


def _controls(results: SweepResults, dataset: str, rows: Mapping[str, Arm]) -> list[Table]:
    """What fidelity is read beside; none without attributes."""
    columns, by_row = _spreads_by_row(results, rows, CONTROLS)
    names = [column.name for column in columns]
    if "untrained" not in names:
        return []
    notes = [
        "untrained: the same network before training; shuffled: attributes permuted over all "
        "images (chance), or in classes (what the class alone gives); probes: a logistic "
        "regression an attribute, shown train's attributes"
    ]
    arms = [arm.name for arm in rows.values()]
    for words, key in (
        ("a class detector (one-hot classes)", metrics.final("class_detector_heldout")),
        ("a constant (the floor)", metrics.final(metrics.FIDELITY_FLOOR)),
    ):
        means = [100 * spread.mean for arm, spread in spreads(results, key).items() if arm in arms]
        if means:
            low, high = f"{min(means):.1f}", f"{max(means):.1f}"
            notes.append(f"{words}: {low if low == high else f'{low} to {high}'}")
    return [
        Table(
            name=f"controls_{dataset}",
            title=f"{dataset}, controls\nheld-out fidelity in percent",
            columns=[Column(name="row", unit="text"), *columns],
            rows=[[row, *by_row[row]] for row in rows],
            note="; ".join(notes),
        )
    ]


def _spreads_by_row(
    results: SweepResults, rows: Mapping[str, Arm], columns: Mapping[str, tuple[str, Column]]
) -> tuple[list[Column], dict[str, list[Spread | None]]]:
    """The columns that some row has a number for, and their cells."""
    names = {arm.name for arm in rows.values()}
    found = {title: spreads(results, key) for title, (key, _) in columns.items()}
    kept = [title for title in columns if found[title].keys() & names]
    cells = {row: [found[title].get(arm.name) for title in kept] for row, arm in rows.items()}
    return [columns[title][1] for title in kept], cells


def _differences(results: SweepResults, dataset: str, rows: Mapping[str, Arm]) -> Table:
    others = [row for row in rows if row != REFERENCE]
    pairs = [(rows[row].name, rows[REFERENCE].name) for row in others]
    table = differences_table(results, pairs, COMPARED, name=f"differences_{dataset}")
    # Data set and reference are the same in all lines: the title has them.
    return replace(
        table,
        title=f"{dataset}, rows less {REFERENCE}\n{table.title}",
        columns=[Column(name="row", unit="text"), *table.columns[2:]],
        rows=[[row, *cells[2:]] for row, cells in zip(others, table.rows, strict=True)],
    )


def _accuracy_against_fidelity(
    results: SweepResults, dataset: str, rows: Mapping[str, Arm]
) -> list[Figure]:
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
        x_label="test error",
        error_axis=True,
        labelled=True,
        series=[
            Series(
                label=row,
                joined=False,
                points=[Point(x=1 - accuracies[name].mean, y=fidelities[name].mean)],
            )
            for row, name in shown.items()
        ],
        levels=floor_of(results, list(shown.values())),
    )
    return [
        Figure(
            name=f"figure_{dataset}",
            title=f"{dataset}: accuracy against fidelity, means over the seeds",
            panels=[panel],
            alternative=means_in_words(
                "fidelity", {row: fidelities[name] for row, name in shown.items()}
            ),
        )
    ]


def _intervals(results: SweepResults, dataset: str, rows: Mapping[str, Arm]) -> list[Figure]:
    """Every row's numbers one below the other, with intervals; the reference as a line."""
    names = {arm.name: row for row, arm in rows.items()}
    panels: list[Panel] = []
    words: list[str] = []
    for title, key in DRAWN.items():
        found = {names[arm]: s for arm, s in spreads(results, key).items() if arm in names}
        if not found:
            continue
        levels = list(floor_of(results, list(names))) if key == FIDELITY else []
        if REFERENCE in found:
            levels.append(Level(label=REFERENCE, y=found[REFERENCE].mean))
        panels.append(
            Panel(
                y_label=title,
                rows=list(rows),
                series=[
                    Series(
                        label="mean",
                        joined=False,
                        points=[
                            Point.of(place, found[row])
                            for place, row in enumerate(rows)
                            if row in found
                        ],
                    )
                ],
                levels=levels,
            )
        )
        words.append(means_in_words(title, found))
    if not panels:
        return []
    return [
        Figure(
            name=f"rows_{dataset}",
            title=f"{dataset}: all rows",
            panels=panels,
            alternative=" ".join(words),
            beside=True,
        )
    ]
