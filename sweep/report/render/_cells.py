"""A cell in words, the same wherever a table is read by people."""

from sweep.report._report import SHARES, Cell, Column, Table
from sweep.report._spread import Difference, Spread
from sweep.tracking.names import short_name

MISSING = "-"


def cell_text(cell: Cell, column: Column) -> str:
    """Shares as percent with one digit; a spread as "93.1 ± 0.4"; a difference with its interval.

    Spreads of other numbers have three digits in all.

    Arms go by their short names. What one seed cannot say, its deviation or an interval, is not
    written.
    """
    scale = 100 if column.unit in SHARES else 1
    mean_format, deviation_format = (".3g", ".2g") if column.unit == "number" else (".1f", ".1f")
    if cell is None:
        return MISSING
    if isinstance(cell, Spread):
        mean = f"{scale * cell.mean:{mean_format}}"
        if cell.deviation is None:
            return mean
        return f"{mean} ± {scale * cell.deviation:{deviation_format}}"
    if isinstance(cell, Difference):
        interval = cell.interval()
        ends = f" [{scale * interval[0]:+.1f}, {scale * interval[1]:+.1f}]" if interval else ""
        return f"{scale * cell.mean:+.1f}{ends}"
    if isinstance(cell, float):
        return f"{scale * cell:.1f}" if column.unit in SHARES else f"{cell:.3g}"
    return short_name(str(cell)) if column.unit == "arm" else str(cell)


def shown(table: Table) -> tuple[list[Column], list[list[str]]]:
    """Columns and cells of what people see of a table."""
    kept = [index for index, column in enumerate(table.columns) if column.narrow]
    columns = [table.columns[index] for index in kept]
    rows = [
        [cell_text(row[index], table.columns[index]) for index in kept]
        for row in table.rows[: table.shown_rows]
    ]
    return columns, rows
