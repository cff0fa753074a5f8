"""Tables and figure of `sweep.ablation_epochs`: the paper's Fig. 3, with its claim tested."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from sweep.report._arms import controls
from sweep.report._beside import printed_levels, printed_note, printed_values
from sweep.report._report import Cell, Column, Figure, Panel, Point, Report, Series, Table
from sweep.report._spread import Spread
from sweep.report._trend import DEFINITION, Trend
from sweep.report._words import means_in_words
from sweep.report.table import WITH_CONTROLS, ArmTable, spreads
from sweep.tracking import metrics
from sweep.tracking.results import SweepResults

OURS = "ours"
PANELS = {
    "fidelity $d_D(F)$": metrics.FIDELITY_SCORE,
    "held-out fidelity": metrics.FIDELITY_HELDOUT,
    "test accuracy": metrics.TEST_ACCURACY,
}

Curves = Mapping[str, Sequence[Sequence[float]]]
"""Arm to one curve a seed, by epoch."""


def build(results: SweepResults) -> Report:
    """Last epochs, the trend of every arm's curves, and whether the paper's claim holds."""
    curves = {title: _curves(results, key) for title, key in PANELS.items()}
    fidelity = curves["fidelity $d_D(F)$"]
    trends = {
        arm: [Trend.of(curve) for curve in by_seed if len(curve) > 1]
        for arm, by_seed in fidelity.items()
    }
    trends = {arm: found for arm, found in trends.items() if found}
    return Report(
        title=results.plan.title,
        tables=[
            ArmTable.of(results, columns=WITH_CONTROLS, published=printed_values(results)).table(),
            *_trend_tables(trends, fidelity),
        ],
        figures=_figures(results, curves),
        texts=[printed_note(results, "Fig. 3"), *_claim(trends, fidelity)],
        question="Does fidelity rise from epoch to epoch?",
    )


def _curves(results: SweepResults, key: str) -> dict[str, list[list[float]]]:
    """A metric by epoch, of the trials that logged it."""
    found: dict[str, list[list[float]]] = {}
    for arm in results.plan.arms:
        for trial in results.of_arm(arm.name).values():
            points = results.history(trial, tuple(PANELS.values())).get(key, ())
            if points:
                found.setdefault(arm.name, []).append([value for _, value in points])
    return found


def _mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Over the epochs that every seed has."""
    return [statistics.fmean(values) for values in zip(*curves, strict=False)]


def _trend_tables(trends: Mapping[str, Sequence[Trend]], curves: Curves) -> list[Table]:
    if not trends:
        return []
    rows: list[list[Cell]] = [
        [
            arm,
            Spread.of([trend.tau for trend in found]),
            sum(trend.is_rising for trend in found),
            sum(trend.is_monotone for trend in found),
            Spread.of([trend.falls / trend.steps for trend in found]),
            Spread.of([trend.below_best for trend in found]),
            Trend.of(_mean_curve(curves[arm])).falls,
            len(found),
        ]
        for arm, found in trends.items()
    ]
    return [
        Table(
            name="trends",
            title="Does fidelity rise with the epochs?",
            columns=[
                Column(name="arm", unit="arm"),
                Column(name="tau", unit="number"),
                Column(name="rising seeds", unit="count", short="rising"),
                Column(name="monotone seeds", unit="count", short="monotone"),
                Column(name="steps that fall", short="falls %"),
                Column(name="last below best", short="below best"),
                Column(name="falls of the mean curve", unit="count", narrow=False),
                Column(name="seeds", unit="count"),
            ],
            rows=rows,
            note="rising: seeds by Mann-Kendall; monotone: seeds without a single fall; falls: "
            "percent of steps; below best: points",
        )
    ]


def _claim(trends: Mapping[str, Sequence[Trend]], curves: Curves) -> list[str]:
    """The paper: ours is monotonically increasing, as opposed to the alternatives."""
    if OURS not in trends:
        return ["No finished trial of ours has fidelity by epoch: nothing can be said of Fig. 3."]
    mean = {arm: Trend.of(_mean_curve(curves[arm])).is_monotone for arm in trends}
    rising = {arm: all(t.is_rising for t in found) for arm, found in trends.items()}
    without_a_fall = ", ".join(arm for arm, does in mean.items() if does)
    texts = [
        DEFINITION,
        f"Mean curves without a fall: {without_a_fall or 'none'}. Seeds without one: "
        f"{_counted(trends, lambda trend: trend.is_monotone)}.",
        f"Seeds with a rising trend: {_counted(trends, lambda trend: trend.is_rising)}.",
    ]
    others = [arm for arm in trends if arm != OURS]
    if mean[OURS] and others and not any(mean[arm] for arm in others):
        verdict = "holds literally for the mean curves"
    elif rising[OURS] and others and not any(rising[arm] for arm in others):
        verdict = "holds as a trend, not literally"
    elif rising[OURS]:
        verdict = "holds neither literally nor as a difference: others rise as well"
    else:
        verdict = "does not hold here"
    texts.append(
        "The paper says that our method's fidelity increases monotonically with the epochs, as "
        f"opposed to the alternatives': that {verdict}."
    )
    return texts


def _counted(trends: Mapping[str, Sequence[Trend]], has: Callable[[Trend], bool]) -> str:
    return ", ".join(f"{arm} {sum(map(has, its))} of {len(its)}" for arm, its in trends.items())


def _figures(results: SweepResults, curves: Mapping[str, Curves]) -> list[Figure]:
    """One panel a measure; none where nothing was logged by epoch."""
    panels = [
        Panel(
            y_label=title,
            x_label="epoch",
            series=[
                Series(
                    label=arm,
                    points=[
                        Point.in_band(epoch, Spread.of(values))
                        for epoch, values in enumerate(zip(*by_seed, strict=False), start=1)
                    ],
                )
                for arm, by_seed in curves[title].items()
            ],
            levels=[
                *controls(results, metrics.final(key)),
                *(printed_levels(results, "fidelity") if key == metrics.FIDELITY_SCORE else ()),
                *(printed_levels(results, "accuracy") if key == metrics.TEST_ACCURACY else ()),
            ],
        )
        for title, key in PANELS.items()
        if curves[title]
    ]
    if not panels:
        return []
    words = {"fidelity $d_D(F)$": "fidelity"}
    return [
        Figure(
            name="figure",
            title=results.plan.title,
            note=printed_note(results, "Fig. 3"),
            panels=panels,
            alternative="After the last epoch. "
            + " ".join(
                means_in_words(words.get(title, title), spreads(results, metrics.final(key)))
                for title, key in PANELS.items()
            ),
        )
    ]
