"""Table and figure of `sweep.ablation_p`: the paper's Fig. 4."""

from sweep.report._arms import floor
from sweep.report._report import Figure, Level, Panel, Point, Report, Series
from sweep.report._spread import Spread
from sweep.report._words import means_in_words
from sweep.report.table import ArmTable, spreads
from sweep.tracking import metrics
from sweep.tracking.plan import Arm
from sweep.tracking.results import SweepResults

PANELS = {
    "fidelity $d_D(F)$": metrics.final(metrics.FIDELITY_SCORE),
    "test accuracy": metrics.final(metrics.TEST_ACCURACY),
}
NORM_LABELS = {"l1": "$L_1$", "l2": "$L_2$"}


def build(results: SweepResults) -> Report:
    """Means and deviations of all arms, and fidelity and accuracy over p."""
    return Report(
        title=results.plan.title,
        tables=[ArmTable.of(results).table()],
        figures=[_figure(results)],
        question="On how many of the features should the sparsity loss act at a step (p), and with "
        "which norm, for them to match attributes?",
    )


def _figure(results: SweepResults) -> Figure:
    found = {title: spreads(results, key) for title, key in PANELS.items()}
    words = {"fidelity $d_D(F)$": "fidelity"}
    return Figure(
        name="figure",
        title=results.plan.title,
        panels=[
            Panel(
                y_label=title,
                x_label="mask probability $p$",
                series=[
                    Series(label=NORM_LABELS.get(norm, norm), points=points)
                    for norm in _norms(results)
                    if (points := _curve(results, norm, found[title]))
                ],
                levels=[
                    *_references(results, found[title]),
                    *(floor(results) if key == metrics.final(metrics.FIDELITY_SCORE) else ()),
                ],
            )
            for title, key in PANELS.items()
            if found[title]
        ],
        alternative=" ".join(
            means_in_words(words.get(title, title), found[title]) for title in PANELS
        ),
    )


def _norms(results: SweepResults) -> list[str]:
    grid = (arm for arm in results.plan.arms if _is_on_grid(arm))
    return list(dict.fromkeys(arm.overrides["sparsity_norm"] for arm in grid))


def _curve(results: SweepResults, norm: str, found: dict[str, Spread]) -> list[Point]:
    return [
        Point.of(arm.overrides["mask_probability"], found[arm.name])
        for arm in sorted(
            filter(_is_on_grid, results.plan.arms), key=lambda a: a.overrides["mask_probability"]
        )
        if arm.overrides["sparsity_norm"] == norm and arm.name in found
    ]


def _references(results: SweepResults, found: dict[str, Spread]) -> list[Level]:
    """The arms off the grid, which are the same at every p."""
    return [
        Level(
            label=arm.name,
            y=found[arm.name].mean,
            low=min(found[arm.name].values),
            high=max(found[arm.name].values),
        )
        for arm in results.plan.arms
        if not _is_on_grid(arm) and arm.name in found
    ]


def _is_on_grid(arm: Arm) -> bool:
    return "mask_probability" in arm.overrides and "sparsity_norm" in arm.overrides
