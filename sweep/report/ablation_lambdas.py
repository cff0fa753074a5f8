"""Table and figures of `sweep.ablation_lambdas`, and the weights that minival would pick."""

from collections.abc import Mapping

from sweep.report._arms import controls
from sweep.report._beside import printed_values
from sweep.report._report import Figure, Level, Panel, Point, Report, Series
from sweep.report._spread import Spread
from sweep.report._words import means_in_words, percent
from sweep.report.table import WITH_CONTROLS, ArmTable, spreads
from sweep.tracking import metrics
from sweep.tracking.names import short_field
from sweep.tracking.plan import Arm
from sweep.tracking.results import SweepResults

MINIVAL = metrics.final(metrics.MINIVAL_ACCURACY)
HELDOUT = metrics.final(metrics.FIDELITY_HELDOUT)
DRAWN = {
    "held-out fidelity": HELDOUT,
    "minival accuracy": MINIVAL,
}
CHOSEN_BY_RULE = ("tree_weight", "sparsity_weight")
TOLERANCE = 0.01
"""The rule of the presets, as a fraction of minival accuracy. Attributes play no part in it."""


def build(results: SweepResults) -> Report:
    """All arms, a figure for each measure, and the rule's choice with what it costs."""
    by_field = _by_field(results)
    return Report(
        title=results.plan.title,
        tables=[
            ArmTable.of(results, columns=WITH_CONTROLS, published=printed_values(results)).table()
        ],
        figures=[
            figure
            for title, key in DRAWN.items()
            if (figure := _figure(results, by_field, title, key)) is not None
        ],
        texts=[text for field in by_field for text in _in_words(results, field, by_field[field])],
        question="How far may each weight of the losses be moved, the others fixed?",
    )


def _by_field(results: SweepResults) -> dict[str, dict[float, Arm]]:
    """For each weight that varies, the arms by its value, the base's among them."""
    fields = dict.fromkeys(key for arm in results.plan.arms for key in arm.overrides)
    found: dict[str, dict[float, Arm]] = {}
    for field in fields:
        arms = {
            arm.overrides.get(field, results.plan.base[field]): arm
            for arm in results.plan.arms
            if set(arm.overrides) <= {field}
        }
        found[field] = dict(sorted(arms.items()))
    return found


def _in_words(results: SweepResults, field: str, arms: Mapping[float, Arm]) -> list[str]:
    minival, heldout = spreads(results, MINIVAL), spreads(results, HELDOUT)
    means = {value: minival[arm.name].mean for value, arm in arms.items() if arm.name in minival}
    if not means:
        return []
    best = max(means.values())
    texts = []
    if field in CHOSEN_BY_RULE:
        chosen = max(value for value, mean in means.items() if mean >= best - TOLERANCE)
        texts.append(
            f"{field}: the largest within {100 * TOLERANCE:g} point of the best minival accuracy "
            f"is {chosen:g}; the sweep's base has {results.plan.base[field]:g}."
        )
    scored = {value: heldout[arm.name] for value, arm in arms.items() if arm.name in heldout}
    if scored:
        low = min(scored, key=lambda value: scored[value].mean)
        high = max(scored, key=lambda value: scored[value].mean)
        texts.append(
            f"{field} from {min(scored):g} to {max(scored):g}: held-out fidelity between "
            f"{percent(scored[low])} at {low:g} and {percent(scored[high])} at {high:g}; minival "
            f"accuracy between {100 * min(means.values()):.1f} and {100 * best:.1f} %."
        )
    return texts


def _figure(
    results: SweepResults, by_field: Mapping[str, Mapping[float, Arm]], title: str, key: str
) -> Figure | None:
    """A panel for each weight, on one scale of values; None where no trial has the measure."""
    found = spreads(results, key)
    panels = [
        Panel(
            y_label=title,
            x_label=f"{field.replace('_', ' ')} {short_field(field)}, "
            f"base {results.plan.base[field]:g}",
            x_scale="log",
            series=[
                Series(
                    label="the whole method",
                    points=[
                        Point.of(value, found[arm.name])
                        for value, arm in arms.items()
                        if value > 0 and arm.name in found
                    ],
                )
            ],
            levels=[*_switched_off(arms, found), *controls(results, key)],
        )
        for field, arms in by_field.items()
        if any(arm.name in found for value, arm in arms.items() if value > 0)
    ]
    if not panels:
        return None
    return Figure(
        name=title.replace(" ", "_"),
        title=results.plan.title,
        note="The paper varies none of these weights.",
        panels=panels,
        beside=True,
        same_scale=True,
        alternative=means_in_words(title, found),
    )


def _switched_off(arms: Mapping[float, Arm], found: Mapping[str, Spread]) -> list[Level]:
    """A weight of 0 has no place on an axis of decades."""
    return [
        Level(
            label="that weight at 0",
            y=found[arm.name].mean,
            low=min(found[arm.name].values),
            high=max(found[arm.name].values),
        )
        for value, arm in arms.items()
        if value == 0 and arm.name in found
    ]
