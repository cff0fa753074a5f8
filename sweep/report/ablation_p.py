"""Table and figure of `sweep.ablation_p`: the paper's Fig. 4."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from sweep.engine.runner import SweepResult
from sweep.report.summary import Spread
from sweep.report.table import ArmTable
from sweep.spec import SweepSpec, arm_name

COLORS = {"l1": "#1b6ca8", "l2": "#d1495b"}
REFERENCE_STYLES = ("--", ":")


def report(spec: SweepSpec, result: SweepResult, folder: Path, console: Console) -> Sequence[Path]:
    """Print the table of means and deviations, and write it and the figure."""
    table = ArmTable.of(spec, result)
    table.show(console)
    return [table.write(folder / "table.csv"), _draw(spec, table.spreads, folder / "figure.png")]


def _draw(spec: SweepSpec, summaries: Mapping[str, Mapping[str, Spread]], path: Path) -> Path:
    figure = Figure(figsize=(6.4, 7.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    _panel(top, spec, summaries["fidelity"], "fidelity $d_D(F)$ (%)")
    floor = [spread.mean for spread in summaries["floor"].values()]
    top.axhline(100 * sum(floor) / len(floor), color="0.6", lw=1)
    top.annotate(
        "floor: a constant feature",
        (1.0, 100 * sum(floor) / len(floor)),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color="0.45",
    )
    _panel(bottom, spec, summaries["accuracy"], "test accuracy (%)")
    bottom.set_xlabel("mask probability $p$")
    top.legend(fontsize=8, frameon=False)
    top.set_title(
        f"{spec.title}\nlines: means, dots: seeds, bands: range of the references", fontsize=10
    )
    figure.savefig(path, dpi=150)
    return path


def _panel(axes: Axes, spec: SweepSpec, spreads: Mapping[str, Spread], label: str) -> None:
    for index, norm in enumerate(spec.axes["sparsity_norm"]):
        points = [
            (p, spread)
            for p in spec.axes["mask_probability"]
            if (spread := spreads.get(arm_name({"sparsity_norm": norm, "mask_probability": p})))
        ]
        # A little apart, so that the seeds of the two norms can be told from each other.
        shift = 0.008 * (2 * index - 1)
        color = COLORS.get(norm)
        for p, spread in points:
            axes.plot(
                [p + shift] * spread.count,
                [100 * value for value in spread.values],
                "o",
                color=color,
                markersize=3.5,
                alpha=0.45,
                markeredgewidth=0,
            )
        axes.plot(
            [p + shift for p, _ in points],
            [100 * spread.mean for _, spread in points],
            color=color,
            lw=1.6,
            label={"l1": "$L_1$", "l2": "$L_2$"}.get(norm, norm),
        )
    for style, arm in zip(REFERENCE_STYLES, spec.references, strict=True):
        if arm in spreads:
            spread = spreads[arm]
            axes.axhline(100 * spread.mean, color="0.25", ls=style, lw=1.2, label=arm)
            low, high = min(spread.values), max(spread.values)
            axes.axhspan(100 * low, 100 * high, color="0.25", alpha=0.07, lw=0)
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
