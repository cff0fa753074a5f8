"""A report on a terminal of 80 columns, or in a job's log."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from sweep.report._report import Column, Report, Table
from sweep.report.render._cells import shown

_PADDING = 3
"""Characters between two columns."""


def show(report: Report, console: Console) -> None:
    """Print the tables and the sentences. Pictures are files.

    A table that is wider than the console comes in parts, each with the names of the rows.
    """
    for table in report.tables:
        if table.rows:
            _show_table(table, console)
    for text in report.texts:
        console.print(escape(text))


def _show_table(table: Table, console: Console) -> None:
    columns, rows = shown(table)
    parts = _parts(columns, rows, console.width)
    for index, places in enumerate(parts):
        drawn = RichTable(
            title=escape(table.title) if index == 0 else None,
            caption=escape(table.note) or None if index == len(parts) - 1 else None,
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for place in places:
            column = columns[place]
            drawn.add_column(
                escape(column.short or column.name),
                justify="left" if _is_text(column) else "right",
                # A part of a single column that is still too wide loses no digit.
                no_wrap=_width(places, columns, rows) <= console.width,
            )
        for row in rows:
            drawn.add_row(*(escape(row[place]) for place in places))
        console.print(drawn)


def _parts(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """Places of each part's columns: those that name the rows, and as many others as fit."""
    num_names = 0
    while num_names < len(columns) and _is_text(columns[num_names]):
        num_names += 1
    names = list(range(num_names))
    parts = [list(names)]
    for place in range(num_names, len(columns)):
        has_others = len(parts[-1]) > num_names
        if has_others and _width([*parts[-1], place], columns, rows) > width:
            parts.append(list(names))
        parts[-1].append(place)
    return parts


def _width(places: Sequence[int], columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> int:
    widest = (
        max(len(columns[place].short or columns[place].name), *(len(row[place]) for row in rows))
        for place in places
    )
    return sum(widest) + _PADDING * len(places)


def _is_text(column: Column) -> bool:
    return column.unit in ("text", "arm")
