"""Differences of two arms, paired by seed, as a table."""

from collections.abc import Mapping, Sequence

from sweep.report._report import Column, Table
from sweep.report._spread import CONFIDENCE, Difference
from sweep.tracking.results import SweepResults


def differences_table(
    results: SweepResults,
    pairs: Sequence[tuple[str, str]],
    compared: Mapping[str, str],
    *,
    name: str = "differences",
) -> Table:
    """One row a pair of arms, one column for each final metric, which are given by title."""
    rows: list[list[str | Difference | int | None]] = []
    kept = {
        title: key
        for title, key in compared.items()
        if any(results.final(arm, key) for pair in pairs for arm in pair)
    }
    for first, second in pairs:
        found = [
            Difference.of(results.final(first, key), results.final(second, key))
            for key in kept.values()
        ]
        count = max((cell.count for cell in found if cell), default=0)
        rows.append([first, second, *found, count])
    several = any(isinstance(cell, Difference) and cell.count > 1 for row in rows for cell in row)
    spread = f"mean [{100 * CONFIDENCE:g} % Student-t interval]" if several else "of one seed"
    note = "An interval over few seeds is wide and supposes normal differences." if several else ""
    return Table(
        name=name,
        title=f"Paired differences in points, {spread}",
        columns=[
            Column(name="first", unit="arm"),
            Column(name="minus", unit="arm"),
            *(Column(name=title, direction="higher") for title in kept),
            Column(name="seeds", unit="count"),
        ],
        rows=rows,
        note=note,
    )
