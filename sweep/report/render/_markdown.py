"""A report in Markdown, such as MLflow shows as a run's note."""

from sweep.report._report import Report, Table
from sweep.report.render._cells import shown


def to_markdown(report: Report) -> str:
    """Return tables, notes and sentences; figures by their text alternatives."""
    parts = [_table(table) for table in report.tables if table.rows]
    parts += report.texts
    parts += [f"Figure `{figure.name}`: {figure.alternative}" for figure in report.figures]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    columns, rows = shown(table)
    title = ", ".join(table.title.splitlines())
    rules = ["---" if column.unit in ("text", "arm") else "---:" for column in columns]
    lines = [[column.short or column.name for column in columns], rules, *rows]
    body = "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)
    return "\n\n".join(part for part in (f"**{title}**", body, table.note) if part)


def _escaped(text: str) -> str:
    """Keep a cell in its cell, and on one line."""
    return text.replace("|", "\\|").replace("\n", " ")
