"""A packed dataset in words and tables.

Shape letters: N rows, K classes, A attributes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.command import shown_size
from core.data.packed import Manifest, attributes_of
from core.data.views._summary import SplitSummary, summarize

MOST_LINES = 40
"""A longer table is given by its smallest, middle and largest line."""

_MOST_SKIPPED = 10


def summarize_splits(manifest: Manifest, table: pa.Table) -> dict[str, SplitSummary]:
    """Summaries of "train" and "test"; the table has label, is_test and any attributes."""
    labels_N = table["label"].to_numpy()
    is_test_N = table["is_test"].to_numpy()
    attributes_NA = attributes_of(table, len(manifest.attribute_names))
    return {
        split: summarize(
            labels_N[rows_N], attributes_NA[rows_N], num_classes=len(manifest.class_names)
        )
        for split, rows_N in (("train", ~is_test_N), ("test", is_test_N))
    }


def print_description(
    manifest: Manifest, splits: Mapping[str, SplitSummary], console: Console, *, full: bool
) -> None:
    """Print everything that is known without looking at an image."""
    size = (
        "as they were" if manifest.shorter_side is None else f"at most {manifest.shorter_side} px"
    )
    console.print(
        f"{escape(manifest.name)}: {manifest.num_rows} images ({manifest.num_train} train, "
        f"{manifest.num_test} test), {len(manifest.class_names)} classes, "
        f"{_attributes_in_words(manifest)}"
    )
    console.print(
        f"{len(manifest.shards)} shards, {shown_size(manifest.num_bytes)}; shorter side {size}"
    )
    if manifest.options:
        options = ", ".join(f"{key}={value}" for key, value in manifest.options.items())
        console.print(f"reader options: {escape(options)}")
    console.print(f"fingerprint {manifest.fingerprint}\n")
    console.print(_counts(manifest.class_names, splits, full=full))
    if manifest.attribute_names:
        console.print(_prevalences(manifest.attribute_names, splits, full=full))
        console.print(_floors(splits))
    if manifest.checks:
        console.print(_checks(manifest))
    for warning in manifest.warnings:
        console.print(f"warning: {escape(warning)}")
    _print_skipped(manifest, console, full=full)


def _attributes_in_words(manifest: Manifest) -> str:
    if not manifest.attribute_names:
        return "no attributes, so runs on it have no fidelity"
    per = "class" if manifest.attributes_per_class else "image"
    return f"{len(manifest.attribute_names)} attributes per {per}"


def _counts(class_names: Sequence[str], splits: Mapping[str, SplitSummary], *, full: bool) -> Table:
    counts = {split: summary.counts_K for split, summary in splits.items()}
    table = _table("images by class", "class", [*splits, "both"])
    if full or len(class_names) <= MOST_LINES:
        for label, name in enumerate(class_names):
            row = [counts_K[label] for counts_K in counts.values()]
            table.add_row(escape(name), *map(str, row), str(sum(row)))
    else:
        columns = [*counts.values(), np.sum(list(counts.values()), axis=0)]
        for word, line in _extremes(columns, class_names, lambda count: f"{count:g}"):
            table.add_row(word, *line)
    totals = [summary.num_rows for summary in splits.values()]
    table.add_section()
    table.add_row(f"all {len(class_names)}", *map(str, totals), str(sum(totals)))
    return table


def _prevalences(
    attribute_names: Sequence[str], splits: Mapping[str, SplitSummary], *, full: bool
) -> Table:
    columns = [100 * summary.prevalence_A for summary in splits.values()]
    table = _table("images that have an attribute, in percent", "attribute", list(splits))
    if full or len(attribute_names) <= MOST_LINES:
        for index, name in enumerate(attribute_names):
            table.add_row(escape(name), *(f"{column[index]:.1f}" for column in columns))
    else:
        for word, line in _extremes(columns, attribute_names, lambda share: f"{share:.1f}"):
            table.add_row(word, *line)
    table.add_section()
    table.add_row("mean", *(f"{column.mean():.1f}" for column in columns))
    return table


def _extremes(
    columns: Sequence[npt.NDArray[Any]], names: Sequence[str], shown: Callable[[float], str]
) -> Iterator[tuple[str, list[str]]]:
    """Lines of the smallest value with its name, the median, and the largest with its name."""

    def of(column: npt.NDArray[Any], index: np.intp) -> str:
        return f"{shown(column[index])} ({escape(names[int(index)])})"

    yield "least", [of(column, column.argmin()) for column in columns]
    yield "median", [shown(float(np.median(column))) for column in columns]
    yield "most", [of(column, column.argmax()) for column in columns]


def _floors(splits: Mapping[str, SplitSummary]) -> Table:
    table = _table("what constant features score (mean F1, in percent)", "", list(splits))
    floors = [summary.floor for summary in splits.values()]
    table.add_row("floor", *("-" if floor is None else f"{100 * floor:.2f}" for floor in floors))
    absent = [summary.num_absent_attributes for summary in splits.values()]
    table.add_row("attributes that never occur, left out", *map(str, absent))
    return table


def _checks(manifest: Manifest) -> Table:
    table = _table("published counts", "", ["published", "found", "differs"])
    for check in manifest.checks:
        differs = "" if check.agrees else f"{check.found - check.published:+d}"
        table.add_row(escape(check.what), str(check.published), str(check.found), differs)
    return table


def _print_skipped(manifest: Manifest, console: Console, *, full: bool) -> None:
    if not manifest.skipped:
        console.print("no image was unreadable")
        return
    console.print(f"{len(manifest.skipped)} images were unreadable and are left out:")
    shown = manifest.skipped if full else manifest.skipped[:_MOST_SKIPPED]
    for row, file, reason in shown:
        console.print(f"  row {row}, {escape(file)}: {escape(reason)}")
    if len(shown) < len(manifest.skipped):
        console.print(f"  and {len(manifest.skipped) - len(shown)} more (--all lists them)")


def _table(title: str, first: str, others: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
