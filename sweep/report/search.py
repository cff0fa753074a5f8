"""Report of a search: its trials, how the best value grew, and what mattered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from sweep.report._report import (
    Cell,
    Column,
    Figure,
    Level,
    Panel,
    Point,
    Report,
    Series,
    Table,
    Unit,
)
from sweep.tracking import metrics
from sweep.tracking.names import short_field
from sweep.tracking.objectives import SPACE_FILE, Objective, objectives_of, space_from_json
from sweep.tracking.results import FinishedTrial, SweepResults

SHOWN = 10
LEAST_FOR_IMPORTANCE = 4
FEW_FOR_IMPORTANCE = 50
"""Below so many trials the importances are noise for the most part."""


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """A point, over all its seeds."""

    point: Mapping[str, Any]
    """What was searched; a key that did not matter is absent."""

    values: Sequence[float]
    """Means over the seeds, by objective."""

    num_seeds: int
    config_hash: str
    """Of the first seed."""


def build(results: SweepResults) -> Report:
    """The best trials, the history of each objective, and the importances of what was searched."""
    title = results.plan.title
    objectives = objectives_of(results.tags.get(metrics.TAG_OBJECTIVE, "minival-accuracy"))
    space = space_from_json(results.document(SPACE_FILE))
    tried = _tried(results, space, objectives)
    if not tried:
        return Report(title=title, texts=["No trial of the search is complete yet."])
    figures = [_history(tried, objectives, title)]
    texts = []
    if len(objectives) > 1:
        figures.append(_front(tried, objectives, title))
        texts.append(
            f"{len(_pareto_front(tried, objectives))} of {len(tried)} trials are on the Pareto "
            "front: none is at least as good in all objectives and better in one."
        )
    elif len(tried) >= LEAST_FOR_IMPORTANCE and len({one.values for one in tried}) > 1:
        figures.append(_importance(tried, space, objectives[0], title))
        if len(tried) < FEW_FOR_IMPORTANCE:
            texts.append(
                f"The importances are from {len(tried)} trials only: with fewer than "
                f"{FEW_FOR_IMPORTANCE} they are mostly noise, so choose nothing by them."
            )
    if results.failures:
        texts.append(f"{len(results.failures)} trials failed and are not in the table.")
    if results.pruned:
        texts.append(f"{len(results.pruned)} trials were pruned and are not in the table.")
    if any(objective.reads_attributes for objective in objectives):
        texts.append("The objective read test attributes: for analysis alone, no result.")
    return Report(
        title=title, tables=[_trials(tried, space, objectives, title)], figures=figures, texts=texts
    )


def _tried(
    results: SweepResults, space: Mapping[str, BaseDistribution], objectives: Sequence[Objective]
) -> list[_Tried]:
    """The points with all numbers, as they started."""
    by_point: dict[tuple[tuple[str, Any], ...], list[FinishedTrial]] = {}
    for trial in results.trials:
        if all(objective.key in trial.final for objective in objectives):
            by_point.setdefault(tuple(_searched(trial, space).items()), []).append(trial)
    return [
        _Tried(
            point=dict(point),
            values=tuple(
                sum(trial.final[objective.key] for trial in trials) / len(trials)
                for objective in objectives
            ),
            num_seeds=len(trials),
            config_hash=trials[0].config_hash,
        )
        for point, trials in by_point.items()
    ]


def _pareto_front(tried: Sequence[_Tried], objectives: Sequence[Objective]) -> list[_Tried]:
    """Those than which none is at least as good in all objectives and better in one."""
    signs = [1 if objective.direction == "maximize" else -1 for objective in objectives]

    def scores(one: _Tried) -> list[float]:
        return [sign * value for sign, value in zip(signs, one.values, strict=True)]

    def dominates(one: _Tried, other: _Tried) -> bool:
        pairs = list(zip(scores(one), scores(other), strict=True))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    return [one for one in tried if not any(dominates(other, one) for other in tried)]


def _trials(
    tried: Sequence[_Tried],
    space: Mapping[str, BaseDistribution],
    objectives: Sequence[Objective],
    title: str,
) -> Table:
    """Best first; with several objectives, the front first."""
    front = {id(one) for one in _pareto_front(tried, objectives)}
    sign = -1 if objectives[0].direction == "maximize" else 1
    numbered = sorted(
        enumerate(tried),
        key=lambda item: (id(item[1]) not in front, sign * item[1].values[0], item[0]),
    )
    has_seeds = max(one.num_seeds for one in tried) > 1
    rows: list[list[Cell]] = [
        [
            number,
            *one.values,
            *([one.num_seeds] if has_seeds else []),
            *(one.point.get(name, "-") for name in space),
            one.config_hash,
        ]
        for number, one in numbered
    ]
    return Table(
        name="trials",
        title=f"{title}\nbest {min(SHOWN, len(rows))} of {len(rows)} trials",
        columns=[
            Column(name="trial", unit="count"),
            *(_objective_column(objective) for objective in objectives),
            *([Column(name="seeds", unit="count")] if has_seeds else []),
            *(Column(name=name, unit="number", short=short_field(name)) for name in space),
            Column(name="config hash", unit="text", narrow=False),
        ],
        rows=rows,
        shown_rows=SHOWN,
    )


def _unit(objective: Objective) -> Unit:
    return "share" if objective.unit == "percent" else "number"


def _objective_column(objective: Objective) -> Column:
    return Column(
        name=objective.name,
        unit=_unit(objective),
        direction="higher" if objective.direction == "maximize" else "lower",
    )


def _history(tried: Sequence[_Tried], objectives: Sequence[Objective], title: str) -> Figure:
    panels, words = [], []
    for index, objective in enumerate(objectives):
        values = [one.values[index] for one in tried]
        better = max if objective.direction == "maximize" else min
        best = [better(values[: number + 1]) for number in range(len(values))]
        panels.append(
            Panel(
                x_label="trial, as they started",
                y_label=objective.name,
                unit=_unit(objective),
                series=[
                    Series(
                        label="a trial",
                        joined=False,
                        points=[Point(x=x, y=y) for x, y in enumerate(values)],
                    ),
                    Series(
                        label="the best so far",
                        points=[Point(x=x, y=y) for x, y in enumerate(best)],
                    ),
                ],
                levels=[Level(label="the first trial", y=values[0])],
            )
        )
        words.append(
            f"{objective.name} over {len(values)} trials: {_shown(values[0], objective)} in the "
            f"first, {_shown(best[-1], objective)} in the best"
        )
    return Figure(name="history", title=title, panels=panels, alternative="; ".join(words) + ".")


def _front(tried: Sequence[_Tried], objectives: Sequence[Objective], title: str) -> Figure:
    """The first objective against each other one."""
    front = _pareto_front(tried, objectives)
    of_front = {id(one) for one in front}
    first = objectives[0]
    scale = 100.0 if first.unit == "percent" else 1.0
    panels = [
        Panel(
            x_label=f"{first.name}{' (%)' if first.unit == 'percent' else ''}",
            y_label=objective.name,
            unit=_unit(objective),
            series=[
                Series(
                    label=label,
                    joined=False,
                    points=[Point(x=scale * one.values[0], y=one.values[index]) for one in members],
                )
                for label, members in (
                    ("other trials", [one for one in tried if id(one) not in of_front]),
                    ("on the Pareto front", front),
                )
                if members
            ],
        )
        for index, objective in enumerate(objectives[1:], start=1)
    ]
    return Figure(
        name="pareto_front",
        title=f"{title}\nPareto front",
        panels=panels,
        alternative=f"{len(front)} of {len(tried)} trials are on the Pareto front.",
    )


def _shown(value: float, objective: Objective) -> str:
    return f"{100 * value:.1f} %" if objective.unit == "percent" else f"{value:.4g}"


def _importance(
    tried: Sequence[_Tried],
    space: Mapping[str, BaseDistribution],
    objective: Objective,
    title: str,
) -> Figure:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # no line for a study in memory
    study = optuna.create_study(direction=objective.direction)
    for one in tried:
        kinds = {name: space[name] for name in one.point}
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(one.point), distributions=kinds, value=one.values[0]
            )
        )
    # The evaluator's forest is drawn at random: the same trials must give the same report.
    # Imported here: scikit-learn takes a second, and a command's help needs no importances.
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    evaluator = FanovaImportanceEvaluator(seed=0)
    shares = get_param_importances(study, evaluator=evaluator)
    ordered = sorted(shares.items(), key=lambda item: item[1])
    few = " only: mostly noise" if len(tried) < FEW_FOR_IMPORTANCE else ""
    words = ", ".join(f"{name} {100 * share:.0f} %" for name, share in reversed(ordered))
    return Figure(
        name="importance",
        title=f"{title}\nshare of the objective's variance, from {len(tried)} trials{few}",
        panels=[
            Panel(
                y_label="importance",
                horizontal=True,
                categories=[name for name, _ in ordered],
                series=[
                    Series(
                        label="importance",
                        joined=False,
                        points=[Point(x=x, y=share) for x, (_, share) in enumerate(ordered)],
                    )
                ],
            )
        ],
        alternative=f"Share of the objective's variance: {words}.",
    )


def _searched(trial: FinishedTrial, space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """The searched values, which MLflow keeps in words; what does not matter it does not keep."""
    return {
        name: _value(trial.params[name], kind)
        for name, kind in space.items()
        if name in trial.params
    }


def _value(text: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return next(choice for choice in distribution.choices if str(choice) == text)
    return distribution.to_external_repr(float(text))
