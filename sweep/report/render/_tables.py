"""Tables as CSV and Parquet, unrounded and with every column."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from sweep.report._report import Cell, Column, Table
from sweep.report._spread import Difference, Spread


def write_tables(table: Table, folder: Path) -> list[Path]:
    """Write NAME.csv and NAME.parquet, which hold the same."""
    flat = to_arrow(table)
    csv, parquet = folder / f"{table.name}.csv", folder / f"{table.name}.parquet"
    pyarrow.csv.write_csv(flat, csv, pyarrow.csv.WriteOptions(quoting_style="needed"))
    pyarrow.parquet.write_table(flat, parquet)
    return [csv, parquet]


def to_arrow(table: Table) -> pa.Table:
    """Return flat columns: a spread has its mean and deviation, a difference its interval's ends.

    A number that is not there is null.
    """
    columns: dict[str, pa.Array] = {}
    for index, column in enumerate(table.columns):
        columns |= _flat(column, [row[index] for row in table.rows])
    return pa.table(columns)


def _flat(column: Column, cells: list[Cell]) -> dict[str, pa.Array]:
    name = column.name
    if any(isinstance(cell, Spread) for cell in cells):
        spreads = [cell if isinstance(cell, Spread) else None for cell in cells]
        return {
            f"{name} mean": _floats([s.mean if s else None for s in spreads]),
            f"{name} deviation": _floats([s.deviation if s else None for s in spreads]),
        }
    if any(isinstance(cell, Difference) for cell in cells):
        found = [cell if isinstance(cell, Difference) else None for cell in cells]
        ends = [cell.interval() if cell else None for cell in found]
        return {
            f"{name} mean": _floats([cell.mean if cell else None for cell in found]),
            f"{name} low": _floats([end[0] if end else None for end in ends]),
            f"{name} high": _floats([end[1] if end else None for end in ends]),
        }
    if column.unit in ("text", "arm"):
        return {name: pa.array(cells, pa.string())}
    if column.unit == "count":
        return {name: pa.array(cells, pa.int64())}
    if column.unit == "number":
        return {name: pa.array(cells)}
    return {name: _floats(cells)}


def _floats(cells: list[float | None] | list[Cell]) -> pa.Array:
    return pa.array(cells, pa.float64())
