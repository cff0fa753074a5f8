"""An Optuna study as Ray Tune asks: which config comes next, when to stop it, what came of it.

Tune's own `OptunaSearch` tells a pruned trial as complete, sends no constraints, knows no seeds,
and leaves what ran when its driver was killed running for ever. Optuna's ask and tell take few
lines more, and a study that lives in a storage needs no state beside it.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from core.config import TrainConfig
from core.errors import CoreError
from search_spaces import Space
from sweep.engine.budget import TRAIN_SECONDS, Meter
from sweep.engine.samplers import experimental
from sweep.tracking import metrics
from sweep.tracking.objectives import Constraint, Objective

CONFIG_HASHES = "config_hashes"
"""User attribute of a trial: of its configs, one a seed; MLflow's runs are found by them."""

SEED_VALUES = "values_by_seed"
"""User attribute of a trial with several seeds: each objective's values."""

FAILURE = "failure"
"""User attribute of a trial: why it failed."""

Finals = Mapping[str, float]
"""Final metrics of a run, by their keys in MLflow."""

_FINAL, _ROWS, _DONE = "final/", "rows", "trial_done"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a study searches."""

    base: TrainConfig
    space: Space
    sweep_id: str
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint] = ()
    seeds_per_trial: int = 1
    one_seed_at_a_time: bool = False
    """Whether a trial's next seed waits for the one before, as pruning over seeds wants."""

    def configs(self, point: Mapping[str, Any]) -> list[TrainConfig]:
        """Of a point, one a seed.

        Raises
        ------
        CoreError
            If the point is no config.
        """
        first = self.base.seed
        return [
            self.base.replace({**point, "seed": seed})
            for seed in range(first, first + self.seeds_per_trial)
        ]


@dataclass(kw_only=True)
class _Open:
    """A trial of the study that has begun."""

    trial: optuna.Trial
    configs: Sequence[TrainConfig]
    waiting: deque[TrainConfig]
    finals: dict[str, Finals] = field(default_factory=dict)
    """By config hash, of the seeds that are finished."""

    steps: set[int] = field(default_factory=set)
    """For which the study has a value."""

    failure: str | None = None


class StudySearcher(Searcher):
    """Asks a study and tells it.

    A config that is finished already, in this study or before, is not trained again: its numbers
    are told at once. Trials that a killed driver left running are taken up where they are, with
    their numbers and points.

    Parameters
    ----------
    study
        With its pruner.
    search
        What it searches.
    sampler
        Gives the sampler for the trial of a number, and for its key of an index, from 1; 0 is for
        what is drawn of all keys at once.
    meter
        Says when no more trials begin.
    finished
        Final metrics of runs that MLflow has whole, by config hash.
    say
        Told of points that are no configs.
    """

    def __init__(
        self,
        study: optuna.Study,
        search: Search,
        *,
        sampler: Callable[[int, int], BaseSampler],
        meter: Meter,
        finished: Mapping[str, Finals],
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._study = study
        self._search = search
        self._sampler = sampler
        self._meter = meter
        self._finished = dict(finished)
        self._say = say
        self._failed: dict[str, str] = {}
        self._hash_of: dict[str, str] = {}
        """Config hash by Tune's id, of what runs."""

        self._pruned: set[str] = set()
        """Tune's ids of trials to be stopped, as long as MLflow's writer may ask."""

        self._open: dict[int, _Open] = {}
        self._ahead: TrainConfig | None = None
        self.reached: str | None = None
        """The budget that ended the search, in words."""

        self.refused: dict[str, str] = {}
        """Reasons by number, of trials whose points are no configs."""

        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            study.sampler = sampler(trial.number, 0)
            self._take(optuna.trial.Trial(study, trial._trial_id), set(trial.intermediate_values))

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher for `Tuner.restore`, which is not used here: the study goes on
        # from its storage.
        return {}

    # What Tune asks

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return what a config changes of the base; None to be asked again; FINISHED."""
        config = self._ahead or self._find_next()
        self._ahead = None
        if config is not None:
            self._hash_of[trial_id] = config.hash
            return config.changes_from(self._search.base)
        if any(one.waiting for one in self._open.values()):
            return None
        return str(Searcher.FINISHED)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study, once all seeds of a trial have ended."""
        config_hash = self._hash_of.pop(trial_id)
        if trial_id in self._pruned:
            for one in self._of(config_hash):
                self._report_rows(one, result or {})
                self._tell(one, TrialState.PRUNED)
            return
        if error or not result or not result.get(_DONE):
            self._failed[config_hash] = "see its run in MLflow"
        else:
            self._finished[config_hash] = {
                key.removeprefix(_FINAL): value
                for key, value in result.items()
                if key.startswith(_FINAL)
            }
            for one in self._of(config_hash):
                self._report_rows(one, result)
        for one in self._of(config_hash):
            self._settle(one, config_hash)

    # What the scheduler and MLflow's writer ask

    def is_to_stop(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Report a trial's new epochs to the study; whether its pruner gives the trial up."""
        others = self._of(self._hash_of[trial_id])
        stops = [self._report_rows(one, result) and one.trial.should_prune() for one in others]
        if not stops or not all(stops):
            return False
        self._pruned.add(trial_id)
        return True

    def was_pruned(self, trial_id: str) -> bool:
        """Whether the trial of that id of Tune's is one that the pruner gave up."""
        return trial_id in self._pruned

    def tags_of(self, config_hash: str) -> dict[str, str]:
        """What a run in MLflow says of the study that asked for it."""
        numbers = sorted(one.trial.number for one in self._of(config_hash))
        return {
            metrics.TAG_STUDY: self._study.study_name,
            metrics.TAG_STUDY_TRIAL: " ".join(map(str, numbers)),
        }

    def has_more(self) -> bool:
        """Whether there is anything to train: a search may end with what is known already."""
        self._ahead = self._ahead or self._find_next()
        return self._ahead is not None

    # The study

    def _find_next(self) -> TrainConfig | None:
        """The next config to train, of a trial that has begun or of one that begins now."""
        while True:
            config = self._next_config()
            if config is not None or not self._begins():
                return config

    def _begins(self) -> bool:
        """Ask for another trial, if the budget has room for one."""
        if self.reached is None:
            self.reached = self._meter.reached(num_open=len(self._open))
        if self.reached is not None:
            return False
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        number = waiting[0].number if waiting else len(self._study.get_trials(deepcopy=False))
        self._study.sampler = self._sampler(number, 0)
        self._take(self._study.ask(), set())
        return True

    def _take(self, trial: optuna.Trial, steps: set[int]) -> None:
        """Draw what is not drawn yet of a trial's point, and queue its configs."""
        point: dict[str, Any] = {}
        for index, (key, kind) in enumerate(self._search.space.varies.items(), start=1):
            # What a key draws must not depend on whether a driver was killed before it.
            self._study.sampler = self._sampler(trial.number, index)
            if self._search.space.is_searched(key, point):
                point[key] = suggested(trial, key, kind)
        try:
            configs = self._search.configs(point)
        except CoreError as error:
            # One part of the space against another: the study learns it, and goes on.
            self.refused[str(trial.number)] = str(error)
            self._say(f"Trial {trial.number} is no config: {error}")
            trial.set_user_attr(FAILURE, str(error))
            self._study.tell(trial.number, state=TrialState.FAIL)
            return
        trial.set_user_attr(CONFIG_HASHES, [config.hash for config in configs])
        self._open[trial.number] = _Open(
            trial=trial, configs=configs, waiting=deque(configs), steps=steps
        )

    def _next_config(self) -> TrainConfig | None:
        """The next that must be trained; those that are known settle their trials on the way."""
        for one in list(self._open.values()):
            while one.waiting and not self._waits_for_a_seed(one):
                config = one.waiting.popleft()
                if config.hash in self._finished or config.hash in self._failed:
                    self._settle(one, config.hash)
                elif config.hash not in self._hash_of.values():
                    return config
        return None

    def _waits_for_a_seed(self, one: _Open) -> bool:
        if not self._search.one_seed_at_a_time:
            return False
        running = set(self._hash_of.values())
        return any(config.hash in running for config in one.configs)

    def _of(self, config_hash: str) -> list[_Open]:
        """The trials that wait for a config: two points may be one run."""
        return [
            one
            for one in self._open.values()
            if any(config.hash == config_hash for config in one.configs)
        ]

    def _settle(self, one: _Open, config_hash: str) -> None:
        """Take the end of one seed of a trial, and tell the study if it was the last."""
        if config_hash in self._failed:
            one.failure = self._failed[config_hash]
            one.waiting.clear()
        else:
            one.finals[config_hash] = self._finished[config_hash]
        if self._search.one_seed_at_a_time and one.failure is None and self._is_worse(one):
            self._tell(one, TrialState.PRUNED)
            return
        running = set(self._hash_of.values())
        if not one.waiting and not any(config.hash in running for config in one.configs):
            self._tell(one, TrialState.FAIL if one.failure else TrialState.COMPLETE)

    def _is_worse(self, one: _Open) -> bool:
        """Report the seeds that are new, and ask the pruner, unless it was the last."""
        objective = self._search.objectives[0]
        for step, config in enumerate(one.configs):
            if config.hash in one.finals and step not in one.steps:
                one.trial.report(one.finals[config.hash][objective.key], step)
                one.steps.add(step)
        return len(one.finals) < len(one.configs) and one.trial.should_prune()

    def _report_rows(self, one: _Open, result: Mapping[str, Any]) -> bool:
        """Give the study what it lacks of a trial's epochs; whether there was any."""
        key = self._search.objectives[0].epoch_key
        if len(self._search.objectives) > 1 or self._search.seeds_per_trial > 1 or key is None:
            return False
        # An epoch whose weights are not the reported ones may lack the number.
        rows = [row for row in result.get(_ROWS, ()) if key in row]
        new = [row for row in rows if row["epoch"] not in one.steps]
        for row in new:
            one.trial.report(row[key], int(row["epoch"]))
            one.steps.add(int(row["epoch"]))
        return bool(new)

    def _tell(self, one: _Open, state: TrialState) -> None:
        """End a trial of the study."""
        del self._open[one.trial.number]
        one.waiting.clear()
        trial = one.trial
        trial.set_user_attr(TRAIN_SECONDS, math.fsum(map(_seconds, one.finals.values())))
        values = self._values(one) if state == TrialState.COMPLETE else None
        if one.failure is not None:
            trial.set_user_attr(FAILURE, one.failure)
            state, values = TrialState.FAIL, None
        self._study.tell(trial.number, values, state)

    def _values(self, one: _Open) -> list[float] | None:
        """Means over a trial's seeds, which its user attributes keep; sets why there are none."""
        finals = [one.finals[config.hash] for config in one.configs]
        missing = {
            of.key
            for of in (*self._search.objectives, *(c.objective for c in self._search.constraints))
            if any(of.key not in final for final in finals)
        }
        if missing:
            one.failure = f"its runs have no {', '.join(sorted(missing))}"
            return None
        by_seed = {of.name: [final[of.key] for final in finals] for of in self._search.objectives}
        values = [_mean(given) for given in by_seed.values()]
        if not all(map(math.isfinite, values)):
            one.failure = f"its objective is not finite: {values}"
            return None
        if len(finals) > 1:
            one.trial.set_user_attr(SEED_VALUES, by_seed)
        for constraint in self._search.constraints:
            value = _mean([final[constraint.objective.key] for final in finals])
            with experimental():
                one.trial.set_constraint(str(constraint), constraint.violation(value))
        return values


class StudyScheduler(FIFOScheduler):
    """Reports epochs to the study as they come, and stops what its pruner gives up."""

    def __init__(self, searcher: StudySearcher) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._searcher = searcher

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        stops = self._searcher.is_to_stop(trial.trial_id, result)
        return TrialScheduler.STOP if stops else TrialScheduler.CONTINUE


def suggested(trial: optuna.Trial, key: str, kind: BaseDistribution) -> Any:
    """Draw one key, or return what was drawn before.

    Raises
    ------
    TypeError
        If Optuna has a new kind of distribution.
    """
    if isinstance(kind, CategoricalDistribution):
        return trial.suggest_categorical(key, kind.choices)
    if isinstance(kind, IntDistribution):
        return trial.suggest_int(key, kind.low, kind.high, step=kind.step, log=kind.log)
    if isinstance(kind, FloatDistribution):
        return trial.suggest_float(key, kind.low, kind.high, step=kind.step, log=kind.log)
    raise TypeError(f"{key!r} has a distribution that is not known here: {kind}.")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _seconds(final: Finals) -> float:
    return final.get(metrics.TRAIN_SECONDS, 0.0)
