"""A report on a terminal of 80 columns, or in a job's log."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from sweep.report._report import Report
from sweep.report._spread import Difference
from sweep.report.render._cells import shown


def show(report: Report, console: Console) -> None:
    """Print the tables and the sentences. Pictures are files."""
    for table in report.tables:
        if not table.rows:
            continue
        columns, rows = shown(table)
        drawn = RichTable(
            title=escape(table.title),
            caption=escape(table.note) or None,
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        # Intervals are wide: they go to a second line rather than lose their end.
        is_wide = any(isinstance(cell, Difference) for row in table.rows for cell in row)
        for column in columns:
            is_text = column.unit in ("text", "arm")
            drawn.add_column(
                escape(column.short or column.name),
                justify="left" if is_text else "right",
                no_wrap=not is_wide,
            )
        for row in rows:
            drawn.add_row(*map(escape, row))
        console.print(drawn)
    for text in report.texts:
        console.print(escape(text))
