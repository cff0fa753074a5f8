"""Report of a search: its trials, how the best value grew, and what mattered."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from sweep.report._report import Cell, Column, Figure, Level, Panel, Point, Report, Series, Table
from sweep.tracking import metrics
from sweep.tracking.names import short_field
from sweep.tracking.objectives import OBJECTIVES, SPACE_FILE, space_from_json
from sweep.tracking.results import FinishedTrial, SweepResults

SHOWN = 10
LEAST_FOR_IMPORTANCE = 4
FEW_FOR_IMPORTANCE = 50
"""Below so many trials the importances are noise for the most part."""


def build(results: SweepResults) -> Report:
    """The best trials, the history of the objective, and the importances of what was searched."""
    objective = results.tags.get(metrics.TAG_OBJECTIVE, "minival-accuracy")
    key = metrics.final(OBJECTIVES[objective])
    values = [(trial, trial.final[key]) for trial in results.trials if key in trial.final]
    if not values:
        return Report(title=results.plan.title, texts=["No trial of the search is complete yet."])
    space = space_from_json(results.document(SPACE_FILE))
    figures = [_history([value for _, value in values], objective, results.plan.title)]
    texts = []
    if len(values) >= LEAST_FOR_IMPORTANCE and len({value for _, value in values}) > 1:
        figures.append(_importance(values, space, results.plan.title))
        if len(values) < FEW_FOR_IMPORTANCE:
            texts.append(
                f"The importances are from {len(values)} trials only: with fewer than "
                f"{FEW_FOR_IMPORTANCE} they are mostly noise, so choose nothing by them."
            )
    if results.failures:
        texts.append(f"{len(results.failures)} trials failed and are not in the table.")
    if objective == "oracle-fidelity":
        texts.append("The objective read test attributes: for analysis alone, no result.")
    return Report(
        title=results.plan.title,
        tables=[_trials(results, values, space, objective)],
        figures=figures,
        texts=texts,
    )


def _trials(
    results: SweepResults,
    values: list[tuple[FinishedTrial, float]],
    space: dict[str, BaseDistribution],
    objective: str,
) -> Table:
    numbered = list(enumerate(values))
    rows: list[list[Cell]] = [
        [number, value, *_searched(trial, space).values(), trial.config_hash]
        for number, (trial, value) in sorted(numbered, key=lambda item: (-item[1][1], item[0]))
    ]
    return Table(
        name="trials",
        title=f"{results.plan.title}\nbest {min(SHOWN, len(rows))} of {len(rows)} trials",
        columns=[
            Column(name="trial", unit="count"),
            Column(name=objective, direction="higher"),
            *(Column(name=name, unit="number", short=short_field(name)) for name in space),
            Column(name="config hash", unit="text", narrow=False),
        ],
        rows=rows,
        shown_rows=SHOWN,
    )


def _history(values: list[float], objective: str, title: str) -> Figure:
    best = [max(values[: number + 1]) for number in range(len(values))]
    return Figure(
        name="history",
        title=title,
        panels=[
            Panel(
                x_label="trial, as they started",
                y_label=objective,
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
                levels=[Level(label="the first trial: the paper's setting", y=values[0])],
            )
        ],
        alternative=f"{objective} over {len(values)} trials: {100 * values[0]:.1f} % in the first, "
        f"{100 * best[-1]:.1f} % in the best.",
    )


def _importance(
    values: list[tuple[FinishedTrial, float]], space: dict[str, BaseDistribution], title: str
) -> Figure:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # no line for a study in memory
    study = optuna.create_study(direction="maximize")
    for trial, value in values:
        params = _searched(trial, space)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
    # The evaluator's forest is drawn at random: the same trials must give the same report.
    # Imported here: scikit-learn takes a second, and a command's help needs no importances.
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    evaluator = FanovaImportanceEvaluator(seed=0)
    shares = get_param_importances(study, evaluator=evaluator)
    ordered = sorted(shares.items(), key=lambda item: item[1])
    few = " only: mostly noise" if len(values) < FEW_FOR_IMPORTANCE else ""
    words = ", ".join(f"{name} {100 * share:.0f} %" for name, share in reversed(ordered))
    return Figure(
        name="importance",
        title=f"{title}\nshare of the objective's variance, from {len(values)} trials{few}",
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


def _searched(trial: FinishedTrial, space: dict[str, BaseDistribution]) -> dict[str, Any]:
    """The searched values, which MLflow keeps in words."""
    return {name: _value(trial.params[name], kind) for name, kind in space.items()}


def _value(text: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return next(choice for choice in distribution.choices if str(choice) == text)
    return distribution.to_external_repr(float(text))
