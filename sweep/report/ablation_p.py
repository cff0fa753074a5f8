"""Tables and figure of `sweep.ablation_p`: the paper's Fig. 4, and L2 at equal penalty."""

from collections.abc import Mapping, Sequence

from sweep.report._arms import controls
from sweep.report._beside import printed_levels, printed_note, printed_values
from sweep.report._pairs import differences_table
from sweep.report._report import Column, Figure, Level, Panel, Point, Report, Series, Table
from sweep.report._spread import Difference, Spread
from sweep.report._words import means_in_words
from sweep.report.table import WITH_CONTROLS, ArmTable, spreads
from sweep.tracking import metrics
from sweep.tracking.plan import Arm
from sweep.tracking.results import SweepResults

FIDELITY = metrics.final(metrics.FIDELITY_SCORE)
HELDOUT = metrics.final(metrics.FIDELITY_HELDOUT)
ACCURACY = metrics.final(metrics.TEST_ACCURACY)
PANELS = {
    "fidelity $d_D(F)$": FIDELITY,
    "held-out fidelity": HELDOUT,
    "test accuracy": ACCURACY,
}
COMPARED = {"fidelity": FIDELITY, "held-out fidelity": HELDOUT, "accuracy": ACCURACY}
L1, LITERAL, EQUAL = "$L_1$", "$L_2$, equal weight", "$L_2$, equal penalty"
LABELS = {("l1", False): L1, ("l2", False): LITERAL, ("l2", True): EQUAL}
"""A curve by norm, and by whether its weight is its own."""


def build(results: SweepResults) -> Report:
    """Means of all arms, L1 less L2 at each p, both over p, and what the paper reads off them."""
    curves = _curves(results)
    return Report(
        title=results.plan.title,
        tables=[
            ArmTable.of(results, columns=WITH_CONTROLS, published=printed_values(results)).table(),
            differences_table(results, _pairs(curves), COMPARED),
            *_penalties(results, curves),
        ],
        figures=[_figure(results, curves)],
        texts=[
            printed_note(results, "Fig. 4"),
            *_weights(results, curves),
            *_readings(results, curves),
        ],
        question="On how many of the features should the sparsity loss act at a step (p), and with "
        "which norm, for them to match attributes?",
    )


def _curves(results: SweepResults) -> dict[str, list[Arm]]:
    """The arms of each curve, by p."""
    curves: dict[str, list[Arm]] = {label: [] for label in LABELS.values()}
    for arm in filter(_is_on_grid, results.plan.arms):
        norm, has_weight = arm.overrides["sparsity_norm"], "sparsity_weight" in arm.overrides
        curves[LABELS[norm, has_weight]].append(arm)
    return {
        label: sorted(arms, key=lambda arm: arm.overrides["mask_probability"])
        for label, arms in curves.items()
        if arms
    }


def _pairs(curves: Mapping[str, Sequence[Arm]]) -> list[tuple[str, str]]:
    """L1 and L2 at each p above 0, where they are not the same run."""
    return [
        (first.name, second.name)
        for label in (LITERAL, EQUAL)
        for first, second in zip(curves.get(L1, ()), curves.get(label, ()), strict=False)
        if first.overrides["mask_probability"] > 0
    ]


def _penalties(results: SweepResults, curves: Mapping[str, Sequence[Arm]]) -> list[Table]:
    """What Eq. 7 came to at the end, with its weight: whether the penalties were equal there."""
    found = spreads(results, metrics.final(metrics.SPARSITY_LOSS))
    rows = []
    for label, arms in curves.items():
        for arm in arms:
            if arm.name in found and arm.overrides["mask_probability"] > 0:
                config = {**results.plan.base, **arm.overrides}
                weighted = [config["sparsity_weight"] * v for v in found[arm.name].values]
                rows.append([_plain(label), config["mask_probability"], Spread.of(weighted)])
    if not rows:
        return []
    return [
        Table(
            name="penalties",
            title="Weight times Eq. 7 in the last epoch",
            columns=[
                Column(name="norm", unit="text"),
                Column(name="p", unit="number"),
                Column(name="penalty", unit="number"),
            ],
            rows=rows,
        )
    ]


def _weights(results: SweepResults, curves: Mapping[str, Sequence[Arm]]) -> list[str]:
    base = results.plan.base["sparsity_weight"]
    if EQUAL not in curves or not base:
        return []
    weight = curves[EQUAL][0].overrides["sparsity_weight"]
    return [
        f"Equal penalty: L2 has {weight / base:.4f} of L1's weight, {weight:.3g}, at which both "
        "ask the same of levels v spread evenly over 0 to L - 1: E[v] / E[v^2] = 3 / (2 L - 1). "
        "Levels that training made sparse are not spread so: the table of penalties says what each "
        "came to."
    ]


def _readings(results: SweepResults, curves: Mapping[str, Sequence[Arm]]) -> list[str]:
    """The paper's two sentences on Fig. 4, with what was found of each."""
    found = spreads(results, FIDELITY)
    texts = []
    for label in (LITERAL, EQUAL):
        differences = [
            difference
            for first, second in _pairs(curves)
            if second in {arm.name for arm in curves.get(label, ())}
            if (difference := _difference(results, first, second)) is not None
        ]
        if differences:
            above = sum(difference.mean > 0 for difference in differences)
            intervals = [ends for each in differences if (ends := each.interval())]
            clear = sum(low > 0 or high < 0 for low, high in intervals)
            without = f"; {clear} of {len(intervals)} intervals leave 0 out" if intervals else ""
            texts.append(
                f"The paper finds L1 better than L2. Here, against {_plain(label)}, L1's mean "
                f"fidelity is above at {above} of {len(differences)} values of p{without}."
            )
    for label, arms in curves.items():
        means = {
            arm.overrides["mask_probability"]: found[arm.name].mean
            for arm in arms
            if arm.name in found
        }
        if len(means) > 2:
            best = max(means, key=lambda p: means[p])
            where = "at an end" if best in (min(means), max(means)) else "inside, as the paper says"
            texts.append(
                f"{_plain(label)}: the best mean fidelity, {100 * means[best]:.1f} %, is at "
                f"p = {best:g}, {where}."
            )
    return texts


def _difference(results: SweepResults, first: str, second: str) -> Difference | None:
    return Difference.of(results.final(first, FIDELITY), results.final(second, FIDELITY))


def _plain(label: str) -> str:
    return label.replace("$", "").replace("_", "")


def _figure(results: SweepResults, curves: Mapping[str, Sequence[Arm]]) -> Figure:
    found = {title: spreads(results, key) for title, key in PANELS.items()}
    words = {"fidelity $d_D(F)$": "fidelity"}
    return Figure(
        name="figure",
        title=results.plan.title,
        note=printed_note(results, "Fig. 4"),
        panels=[
            Panel(
                y_label=title,
                x_label="mask probability $p$",
                series=[
                    Series(label=label, points=points)
                    for label, arms in curves.items()
                    if (points := _points(arms, found[title]))
                ],
                levels=[
                    *_references(results, found[title]),
                    *controls(results, key),
                    *(printed_levels(results, "fidelity") if key == FIDELITY else ()),
                    *(printed_levels(results, "accuracy") if key == ACCURACY else ()),
                ],
            )
            for title, key in PANELS.items()
            if found[title]
        ],
        alternative=" ".join(
            means_in_words(words.get(title, title), found[title]) for title in PANELS
        ),
    )


def _points(arms: Sequence[Arm], found: Mapping[str, Spread]) -> list[Point]:
    return [
        Point.of(arm.overrides["mask_probability"], found[arm.name])
        for arm in arms
        if arm.name in found
    ]


def _references(results: SweepResults, found: Mapping[str, Spread]) -> list[Level]:
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
