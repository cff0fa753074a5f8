"""Optuna's own plots of a search, from what MLflow holds of it."""

import statistics
from collections.abc import Callable, Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import BaseImportanceEvaluator

from sweep.report._report import Report
from sweep.report.html._plots import Plot
from sweep.report.html._styles import STYLES, escape
from sweep.report.search import (
    FEW_FOR_IMPORTANCE,
    IMPORTANCE,
    Tried,
    study_of,
    tried_points,
)
from sweep.tracking import metrics
from sweep.tracking.names import short_field
from sweep.tracking.objectives import (
    OBJECTIVES,
    SPACE_FILE,
    Objective,
    objectives_of,
    space_from_json,
)
from sweep.tracking.results import SweepResults

_AFTERWARDS = (
    Objective(
        name="held-out fidelity",
        key=metrics.final(metrics.FIDELITY_HELDOUT),
        direction="maximize",
        unit="percent",
        reads_attributes=True,
    ),
    OBJECTIVES["tree-accuracy"],
)
"""What may stand against a single objective in a Pareto front: the first that the trials have."""


class _Known(BaseImportanceEvaluator):
    """Importances that the report has computed already: for 500 trials they take seconds."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = shares

    def evaluate(
        self,
        study: optuna.Study,
        params: list[str] | None = None,
        *,
        target: Callable[[optuna.trial.FrozenTrial], float] | None = None,
    ) -> dict[str, float]:
        return dict(self._shares)


def search_plots(results: SweepResults, report: Report) -> list[Plot]:
    """Histories, importances, Pareto fronts, parallel coordinates and slices, as far as they go.

    Of several objectives the first is the one that coordinates and slices show.

    Parameters
    ----------
    report
        Of `sweep.report.search`, which has importances where there are trials enough.
    """
    objectives = objectives_of(results.tags.get(metrics.TAG_OBJECTIVE, "minival-accuracy"))
    space = space_from_json(results.document(SPACE_FILE))
    tried = tried_points(results, space, objectives)
    if not tried:
        return []
    studies = [
        study_of(
            [(one, [_scale(objective) * one.values[index]]) for one in tried],
            space,
            [objective.direction],
        )
        for index, objective in enumerate(objectives)
    ]
    plots = [_history(*both) for both in zip(studies, objectives, strict=True)]
    shares = {
        field: point.y
        for figure in report.figures
        if figure.name == IMPORTANCE
        for field, point in zip(
            figure.panels[0].categories or (), figure.panels[0].series[0].points, strict=True
        )
    }
    if shares:
        plots.append(_importances(studies[0], _words(objectives[0]), shares))
    plots += _fronts(tried, objectives, space)
    if len(tried) > 1:
        searched = [field for field in space if any(field in one.point for one in tried)]
        plots.append(_parallel(studies[0], objectives[0]))
        plots += [_slice(studies[0], field, objectives[0]) for field in searched]
    return plots


def _scale(objective: Objective) -> float:
    return 100.0 if objective.unit == "percent" else 1.0


def _words(objective: Objective) -> str:
    return objective.name.replace("-", " ").replace("held out", "held-out")


def _title(objective: Objective) -> str:
    unit = {"percent": " (%)", "seconds": " (s)", "count": ""}[objective.unit]
    return f"{_words(objective)}{unit}"


def _history(study: optuna.Study, objective: Objective) -> Plot:
    # Imported where it is used: plotly takes a second, and a command's help needs none.
    from optuna import visualization

    figure = visualization.plot_optimization_history(study, target_name=_title(objective))
    figure.update_traces(marker_color=STYLES[0][0], selector={"mode": "markers"})
    unit = " %" if objective.unit == "percent" else ""
    return Plot(
        title=f"History of {_words(objective)}",
        figure=figure,
        alternative=f"{_capital(_words(objective))} of {len(study.trials)} trials as they started, "
        f"and the best so far, which ends at {study.best_value:.4g}{unit}.",
        size="wide",
    )


def _importances(study: optuna.Study, name: str, shares: Mapping[str, float]) -> Plot:
    from optuna import visualization

    count = len(study.trials)
    shares = dict(sorted(shares.items(), key=lambda item: -item[1]))
    words = ", ".join(
        f"{short_field(field)} {100 * share:.0f} %" for field, share in shares.items()
    )
    few = (
        f" From {count} trials only: with fewer than {FEW_FOR_IMPORTANCE} these are mostly noise, "
        "so choose nothing by them."
        if count < FEW_FOR_IMPORTANCE
        else ""
    )
    figure = visualization.plot_param_importances(study, evaluator=_Known(shares), target_name=name)
    figure.update_xaxes(title_text="share of the variance")
    figure.update_yaxes(
        title_text="",
        tickvals=list(figure.data[0].y),
        ticktext=[short_field(field) for field in figure.data[0].y],
    )
    figure.update_traces(marker_color=STYLES[0][0])
    return Plot(
        title="Importances" + (", mostly noise" if few else ""),
        figure=figure,
        alternative=f"Share of the variance of {name}: {words}.{few}",
        header=("value", "share of the variance"),
        numbers=[[field, f"{100 * share:.1f} %"] for field, share in shares.items()],
    )


def _parallel(study: optuna.Study, objective: Objective) -> Plot:
    from optuna import visualization

    figure = visualization.plot_parallel_coordinate(study, target_name=_title(objective))
    figure.update_xaxes(
        ticktext=[escape(short_field(str(label))) for label in figure.layout.xaxis.ticktext]
    )
    figure.layout.plot_bgcolor = None
    # Optuna's scale goes to white, which one of light and dark pages would swallow.
    for trace in figure.data:
        if trace.mode == "lines":
            trace.opacity = _strength(trace.line.color)
            trace.line.color = STYLES[0][0]
        else:
            trace.visible = False  # the bar of that scale
    return Plot(
        title="Parallel coordinates",
        figure=figure,
        alternative=f"Each trial as a line through its {_words(objective)} and what was searched: "
        "the stronger the line, the better the trial.",
        size="wide",
    )


def _slice(study: optuna.Study, field: str, objective: Objective) -> Plot:
    from optuna import visualization

    figure = visualization.plot_slice(study, params=[field], target_name=_title(objective))
    figure.update_traces(
        marker={"color": STYLES[0][0], "showscale": False, "opacity": 0.7, "line": {"width": 0}}
    )
    figure.update_xaxes(title_text=short_field(field))
    return Plot(
        title=f"{short_field(field)} by itself",
        figure=figure,
        alternative=f"{_capital(_words(objective))} of every trial over {field}.",
        size="small",
    )


def _strength(color: str) -> float:
    """Opacity in the place of a colour between dark blue and white, which Plotly writes in RGB."""
    red = float(color.removeprefix("rgb(").split(",")[0])
    return 1 - 0.85 * red / 255


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fronts(
    tried: Sequence[Tried], objectives: Sequence[Objective], space: Mapping[str, BaseDistribution]
) -> list[Plot]:
    """The first objective against each other one; a single one against what it left out."""
    first = objectives[0]
    if len(objectives) > 1:
        return [
            _front(
                [(one, (one.values[0], one.values[index])) for one in tried], first, other, space
            )
            for index, other in enumerate(objectives[1:], start=1)
        ]
    for other in _AFTERWARDS:
        both = [
            (one, (one.values[0], statistics.fmean(t.final[other.key] for t in one.trials)))
            for one in tried
            if all(other.key in trial.final for trial in one.trials)
        ]
        if len(both) > 1 and other.key != first.key and not first.reads_attributes:
            said = f" {_capital(_words(other))} is looked at afterwards: it took no part in the"
            return [_front(both, first, other, space, note=f"{said} search.")]
    return []


def _front(
    values: Sequence[tuple[Tried, tuple[float, float]]],
    first: Objective,
    second: Objective,
    space: Mapping[str, BaseDistribution],
    *,
    note: str = "",
) -> Plot:
    from optuna import visualization

    scaled = [(one, (_scale(first) * both[0], _scale(second) * both[1])) for one, both in values]
    study = study_of(scaled, space, [first.direction, second.direction])
    names = [_title(first), _title(second)]
    figure = visualization.plot_pareto_front(study, target_names=names)
    for trace, style, label in zip(
        figure.data, (STYLES[0], STYLES[1]), ("a trial", "on the front"), strict=False
    ):
        trace.marker = {"color": style[0], "symbol": style[1], "size": 8}
        trace.name, trace.showlegend = label, True
    return Plot(
        title=f"Pareto front: {_words(first)} and {_words(second)}",
        figure=figure,
        alternative=f"{len(study.best_trials)} of {len(values)} trials are such that no other is "
        f"better in both.{note}",
        header=("trial", *names),
        numbers=[
            [str(trial.number), *(f"{value:.4g}" for value in trial.values)]
            for trial in study.best_trials
        ],
    )
