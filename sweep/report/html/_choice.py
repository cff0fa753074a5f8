"""Which runs of a sweep a page shows from inside, and in which words."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.names import short_name, values_name
from sweep.tracking.objectives import OBJECTIVES, Objective, objectives_of
from sweep.tracking.results import FinishedTrial, SweepResults

_CRITERIA = {"tree-accuracy": "minival accuracy of the tree"}
_FACTS = (
    ("test accuracy", metrics.final(metrics.TEST_ACCURACY)),
    ("the tree's", metrics.final(metrics.TEST_TREE_ACCURACY)),
    ("fidelity", metrics.final(metrics.FIDELITY_SCORE)),
    ("held out", metrics.final(metrics.FIDELITY_HELDOUT)),
    ("floor", metrics.final(metrics.FIDELITY_FLOOR)),
    ("zero levels", metrics.final(metrics.ZERO_SHARE)),
)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A run, and what to say of it."""

    trial: FinishedTrial
    name: str
    why: str
    facts: Sequence[tuple[str, str]]


def chosen_runs(results: SweepResults, run_ids: Sequence[str] = ()) -> list[Chosen]:
    """The runs that were asked for, or else the best one.

    The best of a search is that of its objective, the first of several. Of other sweeps it is the
    one whose tree has the highest minival accuracy, since the tree is what is looked at; without
    trees, the one whose network has. Attributes choose nothing, unless they are what was searched
    for. Of equal runs the first counts.
    """
    if run_ids:
        by_id = {trial.run_id: trial for trial in results.trials}
        return [_chosen(results, by_id[run], "asked for") for run in run_ids if run in by_id]
    for objective in _criteria(results):
        candidates = [trial for trial in results.trials if objective.key in trial.final]
        if candidates:
            better = max if objective.direction == "maximize" else min
            best = better(candidates, key=lambda trial: trial.final[objective.key])
            return [_chosen(results, best, _why(objective, best.final[objective.key]))]
    return []


def _criteria(results: SweepResults) -> Sequence[Objective]:
    """The first that a trial has a number for; of a search's objectives the first."""
    searched = results.tags.get(metrics.TAG_OBJECTIVE)
    if searched is not None:
        return objectives_of(searched)[:1]
    return [OBJECTIVES["tree-accuracy"], OBJECTIVES["minival-accuracy"]]


def _why(objective: Objective, value: float) -> str:
    words = _CRITERIA.get(objective.name, objective.name.replace("-", " "))
    most = "highest" if objective.direction == "maximize" else "lowest"
    shown = f"{100 * value:.1f} %" if objective.unit == "percent" else f"{value:.4g}"
    return f"the run of the {most} {words}, {shown}"


def check_runs(all_results: Sequence[SweepResults], run_ids: Sequence[str]) -> None:
    """Refuse a run that no sweep on the page has finished.

    Raises
    ------
    SweepError
    """
    known = {trial.run_id for results in all_results for trial in results.trials}
    for run in run_ids:
        if run not in known:
            raise SweepError(
                f"--run {run!r} is no finished run of a sweep on this page: copy a run's id from "
                "MLflow, or name the sweep that it belongs to."
            )


def run_name(results: SweepResults, config_hash: str) -> str:
    """A trial's arms and seed, or the searched values, for people."""
    planned = [trial for trial in results.plan.trials if trial.config_hash == config_hash]
    if planned:
        arms = " = ".join(dict.fromkeys(short_name(trial.arm) for trial in planned))
        return f"{arms} seed={planned[0].seed}"
    for trial in results.trials:
        if trial.config_hash == config_hash:
            differing = {
                key: value
                for key, value in trial.params.items()
                if any(other.params.get(key) != value for other in results.trials)
            }
            return values_name({key: _number(text) for key, text in differing.items()})
    return config_hash


def _number(text: str) -> str | float:
    try:
        return text if text.isdigit() else float(text)
    except ValueError:
        return text


def _chosen(results: SweepResults, trial: FinishedTrial, why: str) -> Chosen:
    facts = [
        (name, f"{100 * trial.final[key]:.1f} %") for name, key in _FACTS if key in trial.final
    ]
    if metrics.final(metrics.TREE_LEAVES) in trial.final:
        facts.append(("leaves", f"{trial.final[metrics.final(metrics.TREE_LEAVES)]:.0f}"))
    return Chosen(trial=trial, name=run_name(results, trial.config_hash), why=why, facts=facts)
