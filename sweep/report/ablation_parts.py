"""Table, paired differences and figure of `sweep.ablation_parts`."""

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from scipy.stats import t as student_t

from sweep import metrics
from sweep.report.table import ArmTable
from sweep.runner import SweepResult
from sweep.spec import SweepSpec
from sweep.tracking import FinishedTrial

QUANTIZED = "quantized network"
SPARSITY = "+ sparsity"
TREE = "+ tree"
BOTH = "+ both"
PAIRS = (
    (SPARSITY, QUANTIZED),
    (TREE, QUANTIZED),
    (BOTH, QUANTIZED),
    (BOTH, SPARSITY),
    (BOTH, TREE),
)
COMPARED = {
    "fidelity": metrics.final(metrics.FIDELITY_SCORE),
    "held-out fidelity": metrics.final(metrics.FIDELITY_HELDOUT),
    "minival accuracy": metrics.final(metrics.MINIVAL_ACCURACY),
}
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


def report(spec: SweepSpec, result: SweepResult, folder: Path, console: Console) -> Sequence[Path]:
    """Print the means and the paired differences; write both and a figure."""
    table = ArmTable.of(spec, result)
    table.show(console)
    differences = {
        (first, second, title): PairedDifference.of(
            _by_seed(result.trials, first, key), _by_seed(result.trials, second, key)
        )
        for first, second in PAIRS
        for title, key in COMPARED.items()
    }
    _show(differences, console)
    return [
        table.write(folder / "table.csv"),
        _write(differences, folder / "differences.csv"),
        _draw(spec, table, result.trials, folder / "figure.png"),
    ]


def _by_seed(trials: Sequence[FinishedTrial], arm: str, key: str) -> dict[int, float]:
    return {trial.seed: trial.final[key] for trial in trials if trial.arm == arm}


Differences = dict[tuple[str, str, str], PairedDifference]


def _show(differences: Differences, console: Console) -> None:
    table = Table(title="Paired differences in points, mean [95 % confidence interval]")
    table.add_column("pair")
    for title in COMPARED:
        table.add_column(title, justify="right")
    table.add_column("seeds", justify="right")
    for first, second in PAIRS:
        cells = [differences[first, second, title] for title in COMPARED]
        name = f"({first}) - ({second})"
        table.add_row(name, *(cell.points() for cell in cells), str(cells[0].count))
    console.print(table)


def _write(differences: Differences, path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["first", "second", "metric", "mean", "half width", "seeds"])
        for (first, second, title), difference in differences.items():
            numbers = (f"{difference.mean:.6f}", f"{difference.half_width:.6f}")
            writer.writerow([first, second, title, *numbers, difference.count])
    return path


def _draw(spec: SweepSpec, table: ArmTable, trials: Sequence[FinishedTrial], path: Path) -> Path:
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    arms = list(table.planned)
    for axes, title in zip(panels, ("fidelity", "minival accuracy"), strict=True):
        seeds = sorted({trial.seed for trial in trials})
        for seed in seeds:
            values = [_by_seed(trials, arm, COMPARED[title]).get(seed) for arm in arms]
            axes.plot(
                range(len(arms)),
                [math.nan if value is None else 100 * value for value in values],
                color="0.75",
                lw=0.8,
                marker=".",
                zorder=1,
            )
        column = "fidelity" if title == "fidelity" else "minival"
        for index, arm in enumerate(arms):
            spread = table.spreads[column].get(arm)
            if spread:
                axes.plot(index, 100 * spread.mean, "D", color="#1b6ca8", markersize=7, zorder=2)
        axes.set_xticks(range(len(arms)), arms, fontsize=8)
        axes.set_ylabel(f"{title} (%)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
    floors = [spread.mean for spread in table.spreads["floor"].values()]
    if floors:
        floor = 100 * statistics.fmean(floors)
        panels[0].axhline(floor, color="0.5", lw=1, ls="--", label="floor: a constant feature")
        panels[0].legend(fontsize=8, frameon=False)
    figure.suptitle(f"{spec.title}: each line is a seed, diamonds are means", fontsize=10)
    figure.savefig(path, dpi=150)
    return path
