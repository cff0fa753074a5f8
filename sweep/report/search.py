"""Table and plots of an Optuna study."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots
from rich.console import Console
from rich.table import Table

_SHOWN = 10
_LEAST_FOR_IMPORTANCE = 4


def report(
    study: optuna.Study, *, metrics_key: str, folder: Path, console: Console
) -> Sequence[Path]:
    """Print the best trials; write all of them, the history and the importances."""
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    if not complete:
        console.print("No trial of the study is complete yet.")
        return []
    best = sorted(complete, key=lambda trial: (-_value(trial), trial.number))
    table = Table(title=f"{study.study_name}: best {min(_SHOWN, len(best))} of {len(best)} trials")
    table.add_column("trial", justify="right")
    table.add_column(metrics_key, justify="right")
    for key in best[0].params:
        table.add_column(key, justify="right")
    for trial in best[:_SHOWN]:
        cells = [_cell(value) for value in trial.params.values()]
        table.add_row(str(trial.number), f"{100 * _value(trial):.2f}", *cells)
    console.print(table)
    paths = [folder / "trials.csv"]
    study.trials_dataframe().to_csv(paths[0], index=False)
    matplotlib.use("Agg")
    with warnings.catch_warnings():
        # Optuna's matplotlib plots have been marked experimental since 2.2.
        warnings.simplefilter("ignore", ExperimentalWarning)
        paths.append(_save(plots.plot_optimization_history(study), folder / "history.png"))
        if len(complete) >= _LEAST_FOR_IMPORTANCE and len({_value(t) for t in complete}) > 1:
            axes = plots.plot_param_importances(study)
            paths.append(_save(axes, folder / "importance.png"))
    return paths


def _save(axes: matplotlib.axes.Axes, path: Path) -> Path:
    figure = axes.get_figure(root=True)
    if figure is None:
        raise RuntimeError("Optuna's plots belong to a figure.")
    figure.set_size_inches(8, 4.5)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return path


def _value(trial: optuna.trial.FrozenTrial) -> float:
    if trial.value is None:
        raise ValueError(f"Trial {trial.number} is complete and must have a value.")
    return trial.value


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
