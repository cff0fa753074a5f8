"""A figure with an arm at each place of the horizontal axis: seeds as lines, means as diamonds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sweep.report.summary import by_arm, by_seed
from sweep.report.table import ArmTable, short
from sweep.tracking import metrics
from sweep.tracking.writer import FinishedTrial


def draw_arms(
    table: ArmTable, trials: Sequence[FinishedTrial], panels: Mapping[str, str], path: Path
) -> Path:
    """Draw one panel for each title in `panels`, whose values are keys of final metrics.

    The panel of the fidelity score also shows its floor.
    """
    figure = Figure(figsize=(4.2 * len(panels), 3.8), layout="constrained")
    arms = list(table.planned)
    seeds = sorted({trial.seed for trial in trials})
    for axes, (title, key) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        by_arm_and_seed = {arm: by_seed(trials, arm, key) for arm in arms}
        for seed in seeds:
            axes.plot(
                range(len(arms)),
                [100 * by_arm_and_seed[arm].get(seed, math.nan) for arm in arms],
                color="0.75",
                lw=0.8,
                marker=".",
                zorder=1,
            )
        spreads = by_arm(trials, key)
        for index, arm in enumerate(arms):
            if arm in spreads:
                axes.plot(
                    index, 100 * spreads[arm].mean, "D", color="#1b6ca8", markersize=7, zorder=2
                )
        # A point of a grid has its fields one under another, or neighbours would overlap.
        labels = [short(arm).replace(" ", "\n") if "=" in arm else arm for arm in arms]
        axes.set_xticks(range(len(arms)), labels, fontsize=8)
        axes.set_ylabel(f"{title} (%)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        floors = [spread.mean for spread in table.spreads["floor"].values()]
        if key == metrics.final(metrics.FIDELITY_SCORE) and floors:
            floor = 100 * statistics.fmean(floors)
            axes.axhline(floor, color="0.5", lw=1, ls="--", label="floor: a constant feature")
            axes.legend(fontsize=8, frameon=False)
    figure.suptitle(f"{table.title}: each line is a seed, diamonds are means", fontsize=10)
    figure.savefig(path, dpi=150)
    return path
