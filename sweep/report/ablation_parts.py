"""Table, paired differences and figure of `sweep.ablation_parts`."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sweep.engine.runner import SweepResult
from sweep.report.arms import draw_arms
from sweep.report.pairs import paired_differences, show_differences, write_differences
from sweep.report.table import ArmTable
from sweep.spec import SweepSpec
from sweep.tracking import metrics

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
DRAWN = ("fidelity", "minival accuracy")


def report(spec: SweepSpec, result: SweepResult, folder: Path, console: Console) -> Sequence[Path]:
    """Print the means and the paired differences; write both and a figure."""
    table = ArmTable.of(spec, result)
    table.show(console)
    differences = paired_differences(result.trials, PAIRS, COMPARED)
    show_differences(differences, console)
    panels = {title: COMPARED[title] for title in DRAWN}
    return [
        table.write(folder / "table.csv"),
        write_differences(differences, folder / "differences.csv"),
        draw_arms(table, result.trials, panels, folder / "figure.png"),
    ]
