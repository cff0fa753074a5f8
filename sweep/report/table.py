"""The table of means that every sweep ends with: one row an arm, spreads over the seeds."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.engine.runner import SweepResult
from sweep.report.summary import Spread, by_arm
from sweep.spec import SweepSpec
from sweep.tracking import metrics

COLUMNS: Mapping[str, str] = {
    "accuracy": metrics.final(metrics.TEST_ACCURACY),
    "tree": metrics.final(metrics.TEST_TREE_ACCURACY),
    "fidelity": metrics.final(metrics.FIDELITY_SCORE),
    "held-out": metrics.final(metrics.FIDELITY_HELDOUT),
    "floor": metrics.final(metrics.FIDELITY_FLOOR),
    "minival": metrics.final(metrics.MINIVAL_ACCURACY),
}
"""Everything that the CSV file holds, by column."""

SHOWN = ("accuracy", "tree", "fidelity", "held-out")
"""What fits a terminal of 80 columns."""

_SHORT = {"mask_probability": "p", "sparsity_norm": "norm", "learning_rate": "lr"}


def short(arm: str) -> str:
    """An arm's name with the paper's letters and usual abbreviations, for narrow places."""
    for name, letter in _SHORT.items():
        arm = arm.replace(f"{name}=", f"{letter}=")
    return arm


def report(spec: SweepSpec, result: SweepResult, folder: Path, console: Console) -> Sequence[Path]:
    """The plainest report, for a sweep without a figure of its own."""
    table = ArmTable.of(spec, result)
    table.show(console)
    return [table.write(folder / "table.csv")]


@dataclass(frozen=True, kw_only=True)
class ArmTable:
    """Spreads by column and arm, with the trials that are missing counted."""

    title: str
    planned: Mapping[str, int]
    """Trials of each arm, in the order of the spec."""

    spreads: Mapping[str, Mapping[str, Spread]]
    """Column title to arm to spread; an arm without a finished trial is absent."""

    @classmethod
    def of(cls, spec: SweepSpec, result: SweepResult) -> "ArmTable":
        planned: dict[str, int] = {}
        for arm, _ in spec.planned():
            planned[arm] = planned.get(arm, 0) + 1
        return cls(
            title=spec.title,
            planned=planned,
            spreads={title: by_arm(result.trials, key) for title, key in COLUMNS.items()},
        )

    def count(self, arm: str) -> int:
        """Finished trials of an arm."""
        spread = self.spreads["accuracy"].get(arm)
        return spread.count if spread else 0

    def show(self, console: Console) -> None:
        table = Table(
            title=f"{self.title}\npercent on test, mean ± deviation over seeds",
            caption=self._floor(),
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        table.add_column("arm", no_wrap=True)
        for title in SHOWN:
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("seeds", justify="right")
        table.add_column("failed", justify="right")
        for arm, planned in self.planned.items():
            spreads = [self.spreads[title].get(arm) for title in SHOWN]
            cells = [spread.percent() if spread else "-" for spread in spreads]
            table.add_row(short(arm), *cells, str(self.count(arm)), str(planned - self.count(arm)))
        console.print(table)

    def _floor(self) -> str:
        floors = {spread.percent() for spread in self.spreads["floor"].values()}
        return f"fidelity's floor, what constant features score: {', '.join(sorted(floors))}"

    def write(self, path: Path) -> Path:
        """Write fractions, unrounded as far as six digits go."""
        header = [f"{title} {part}" for title in COLUMNS for part in ("mean", "deviation")]
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["arm", *header, "seeds", "failed"])
            for arm, planned in self.planned.items():
                cells: list[str] = []
                for title in COLUMNS:
                    spread = self.spreads[title].get(arm)
                    cells += _cells(spread)
                writer.writerow([arm, *cells, self.count(arm), planned - self.count(arm)])
        return path


def _cells(spread: Spread | None) -> Sequence[str]:
    return (f"{spread.mean:.6f}", f"{spread.deviation:.6f}") if spread else ("", "")
