"""Differences of two arms, paired by seed, with confidence intervals."""

import csv
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from scipy.stats import t as student_t

from sweep.report.summary import by_seed
from sweep.report.table import short
from sweep.tracking.writer import FinishedTrial

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Mean over the seeds of one arm minus another, with a Student-t confidence interval."""

    mean: float
    half_width: float
    count: int

    @classmethod
    def of(cls, first: dict[int, float], second: dict[int, float]) -> "PairedDifference":
        """Compare two arms on the seeds that both have.

        The half width is NaN for fewer than two common seeds.
        """
        differences = [first[seed] - second[seed] for seed in first.keys() & second.keys()]
        if len(differences) < 2:
            mean = differences[0] if differences else math.nan
            return cls(mean=mean, half_width=math.nan, count=len(differences))
        quantile = student_t.ppf(0.5 + CONFIDENCE / 2, len(differences) - 1)
        error = statistics.stdev(differences) / math.sqrt(len(differences))
        return cls(
            mean=statistics.fmean(differences),
            half_width=float(quantile) * error,
            count=len(differences),
        )

    def points(self) -> str:
        """In percentage points: "+3.1 [+2.0, +4.2]"."""
        low, high = self.mean - self.half_width, self.mean + self.half_width
        return f"{100 * self.mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


Differences = Mapping[tuple[str, str, str], PairedDifference]
"""By first arm, second arm and title of what is compared."""


def paired_differences(
    trials: Sequence[FinishedTrial],
    pairs: Sequence[tuple[str, str]],
    compared: Mapping[str, str],
) -> Differences:
    """Compare pairs of arms by final metrics, which are given by title."""
    return {
        (first, second, title): PairedDifference.of(
            by_seed(trials, first, key), by_seed(trials, second, key)
        )
        for first, second in pairs
        for title, key in compared.items()
    }


def show_differences(differences: Differences, console: Console) -> None:
    """Print one row a pair."""
    pairs = dict.fromkeys((first, second) for first, second, _ in differences)
    titles = dict.fromkeys(title for _, _, title in differences)
    table = Table(title="Paired differences in points, mean [95 % confidence interval]")
    table.add_column("pair")
    for title in titles:
        table.add_column(title, justify="right")
    table.add_column("seeds", justify="right")
    for first, second in pairs:
        cells = [differences[first, second, title] for title in titles]
        name = f"({short(first)}) - ({short(second)})"
        table.add_row(name, *(cell.points() for cell in cells), str(cells[0].count))
    console.print(table)


def write_differences(differences: Differences, path: Path) -> Path:
    """Write fractions as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["first", "second", "metric", "mean", "half width", "seeds"])
        for (first, second, title), difference in differences.items():
            numbers = (f"{difference.mean:.6f}", f"{difference.half_width:.6f}")
            writer.writerow([first, second, title, *numbers, difference.count])
    return path
