"""A study asked and told without a cluster, as Tune would, and drivers that die in between."""

import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.trial import TrialState
from ray.tune.search import Searcher

from core.config import TrainConfig
from search_spaces import Space, load_space
from sweep.engine.budget import Budget, Meter
from sweep.engine.samplers import ABILITIES, experimental, make_sampler
from sweep.engine.study import ended, open_storage, open_study
from sweep.engine.study_searcher import Search, StudyScheduler, StudySearcher
from sweep.tracking import metrics
from sweep.tracking.objectives import OBJECTIVES, parse_constraint

SPACE = Space(
    varies={
        "label_weight": FloatDistribution(0.1, 10.0, log=True),
        "num_bits": CategoricalDistribution((2, 4, 8)),
    },
    first={"label_weight": 2.0, "num_bits": 4},
)
KEY = metrics.final(metrics.MINIVAL_ACCURACY)


def accuracy(config: TrainConfig) -> float:
    """Best at a weight of 1, with a little of the seed."""
    return 0.9 - abs(math.log10(config.label_weight)) / 5 + config.seed / 1000


def final(config: TrainConfig) -> dict[str, float]:
    return {
        KEY: accuracy(config),
        metrics.final(metrics.ZERO_SHARE): config.num_bits / 10,
        metrics.TRAIN_SECONDS: 3.0,
    }


def as_tune_gives(config: TrainConfig, *, done: bool = True, rows: int = 0) -> dict[str, Any]:
    """A result as Tune passes it on: flat."""
    return {
        "trial_done": done,
        "rows": [
            {"epoch": epoch, metrics.MINIVAL_ACCURACY: accuracy(config)} for epoch in range(rows)
        ],
        **{f"final/{key}": value for key, value in final(config).items() if done},
    }


class Driver:
    """What a driver of a search has, without Ray and MLflow."""

    def __init__(
        self,
        place: str,
        *,
        sampler: str = "tpe",
        space: Space = SPACE,
        objectives: tuple[str, ...] = ("minival-accuracy",),
        constraints: tuple[str, ...] = (),
        seeds: int = 1,
        pruner: BasePruner | None = None,
        budget: Budget | None = None,
        finished: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        self.search = Search(
            base=TrainConfig(),
            space=space,
            sweep_id="s",
            objectives=[OBJECTIVES[name] for name in objectives],
            constraints=[parse_constraint(text) for text in constraints],
            seeds_per_trial=seeds,
            one_seed_at_a_time=isinstance(pruner, WilcoxonPruner),
        )
        self.study = open_study(
            self.search, open_storage(place), sampler=sampler, pruner=pruner or NopPruner()
        )
        self.said: list[str] = []
        self.searcher = StudySearcher(
            self.study,
            self.search,
            sampler=lambda number, index: make_sampler(
                sampler, seed=0, number=number, index=index, grouped=bool(space.only_if)
            ),
            meter=Meter(
                self.study, budget or Budget(num_trials=12), cpus=1.0, gpus=0.0, unit=100.0
            ),
            finished=finished or {},
            say=self.said.append,
        )
        self.running: dict[str, TrainConfig] = {}
        self._ids = iter(range(10**6))

    def ask(self) -> TrainConfig | None:
        """The next config, if there is one now."""
        trial_id = f"t{next(self._ids)}"
        suggested = self.searcher.suggest(trial_id)
        if not isinstance(suggested, dict):
            return None
        self.running[trial_id] = self.search.base.replace(suggested)
        return self.running[trial_id]

    def end(self, config: TrainConfig, *, error: bool = False) -> None:
        trial_id = next(of for of, one in self.running.items() if one == config)
        del self.running[trial_id]
        result = None if error else as_tune_gives(config)
        self.searcher.on_trial_complete(trial_id, result, error=error)

    def run(self) -> Iterator[TrainConfig]:
        """One after another, to the end."""
        while (config := self.ask()) is not None:
            yield config
            self.end(config)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


def told(study: optuna.Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, t.values, t.params) for t in study.get_trials()]


@pytest.mark.parametrize("sampler", [name for name in ABILITIES if name not in ("cmaes", "qmc")])
def test_each_trial_is_told_once_with_its_value(sampler: str, place: str) -> None:
    space = SPACE.narrowed("label_weight", "0.1,1,10") if ABILITIES[sampler].lists_all else SPACE
    driver = Driver(place, sampler=sampler, space=space, budget=Budget(num_trials=9))
    seen = list(driver.run())
    trials = driver.study.get_trials()
    assert len(trials) == 9
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    for trial in trials:
        config = TrainConfig().replace(trial.params)
        assert trial.values == [accuracy(config)]
        assert trial.user_attrs["config_hashes"] == [config.hash]
    if ABILITIES[sampler].lists_all:
        assert len({t.params["label_weight"] + t.params["num_bits"] for t in trials}) == 9
    else:
        assert trials[0].params == SPACE.first
    assert len({config.hash for config in seen}) == len(seen), "no config is trained twice"
    assert driver.searcher.reached == "9 trials"


@pytest.mark.parametrize("sampler", ["cmaes", "qmc"])
def test_samplers_of_numbers_alone(sampler: str, place: str) -> None:
    space = SPACE.fixed("num_bits").narrowed("label_weight", "0.1:100")
    driver = Driver(place, sampler=sampler, space=space)
    assert len(list(driver.run())) == 12
    if sampler == "cmaes":
        late = [t.params["label_weight"] for t in driver.study.get_trials()[6:]]
        assert sum(abs(math.log10(weight)) < 1 for weight in late) >= 4, late


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_killed_driver_changes_nothing(sampler: str, seed: int, tmp_path: Path) -> None:
    """Killed at any moment between two calls, any number of times."""
    undisturbed = Driver(str(tmp_path / "a"), sampler=sampler)
    for _ in undisturbed.run():
        pass
    rng = random.Random(seed)
    held: dict[str, dict[str, float]] = {}
    place = str(tmp_path / "b")
    driver = Driver(place, sampler=sampler)
    while True:
        if rng.random() < 0.3:
            driver = Driver(place, sampler=sampler, finished=held)  # the one before was killed
        config = driver.ask()
        if config is None:
            break
        if rng.random() < 0.3:
            # Killed after MLflow had the numbers, or before: the study has nothing of them.
            if rng.random() < 0.5:
                held[config.hash] = final(config)
            driver = Driver(place, sampler=sampler, finished=held)
            continue
        held[config.hash] = final(config)
        driver.end(config)
    assert told(driver.study) == told(undisturbed.study)


def test_a_point_between_ask_and_its_last_key_is_drawn_to_its_end(tmp_path: Path) -> None:
    undisturbed = Driver(str(tmp_path / "a"), budget=Budget(num_trials=2))
    for _ in undisturbed.run():
        pass
    driver = Driver(str(tmp_path / "b"), budget=Budget(num_trials=2))
    config = driver.ask()
    assert config is not None
    driver.end(config)
    driver.study.sampler = make_sampler("tpe", seed=0, number=1, index=0, grouped=False)
    trial = driver.study.ask()
    driver.study.sampler = make_sampler("tpe", seed=0, number=1, index=1, grouped=False)
    trial.suggest_float("label_weight", 0.1, 10.0, log=True)
    again = Driver(str(tmp_path / "b"), budget=Budget(num_trials=2))
    assert len(list(again.run())) == 1
    assert told(again.study) == told(undisturbed.study)


def test_several_at_once_end_in_any_order(place: str) -> None:
    driver = Driver(place)
    rng = random.Random(0)
    while True:
        while len(driver.running) < 4 and driver.ask() is not None:
            pass
        if not driver.running:
            break
        driver.end(rng.choice(list(driver.running.values())))
    assert len(ended(driver.study)) == 12
    assert not driver.study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))


def test_points_that_are_one_run_are_trained_once(place: str) -> None:
    space = Space(varies={"num_bits": CategoricalDistribution((2, 4))})
    driver = Driver(place, sampler="random", space=space, budget=Budget(num_trials=8))
    running = driver.ask()
    assert running is not None
    assert driver.ask() is not None
    assert driver.ask() is None, "all other points wait for one of the two"
    for config in list(driver.running.values()):
        driver.end(config)
    assert driver.ask() is None
    trials = driver.study.get_trials()
    assert len(trials) == 8
    assert {t.state for t in trials} == {TrialState.COMPLETE}
    assert len({t.values[0] for t in trials if t.params["num_bits"] == 2}) == 1


def test_what_was_finished_before_needs_no_training(place: str) -> None:
    config = TrainConfig().replace(SPACE.first)
    driver = Driver(place, budget=Budget(num_trials=1), finished={config.hash: final(config)})
    assert not driver.searcher.has_more()
    assert driver.study.best_value == accuracy(config)


def test_the_mean_of_the_seeds_is_told(place: str) -> None:
    driver = Driver(place, seeds=3, budget=Budget(num_trials=2))
    seen = list(driver.run())
    assert [config.seed for config in seen] == [0, 1, 2] * 2
    for trial in driver.study.get_trials():
        values = [accuracy(c) for c in driver.search.configs(trial.params)]
        assert trial.values == [pytest.approx(sum(values) / 3)]
        assert trial.user_attrs["values_by_seed"] == {"minival-accuracy": values}
        assert trial.user_attrs["train_seconds"] == 9.0


def test_a_seed_that_fails_fails_its_trial_once_the_others_have_ended(place: str) -> None:
    driver = Driver(place, seeds=2, budget=Budget(num_trials=1))
    first, second = driver.ask(), driver.ask()
    assert first is not None
    assert second is not None
    driver.end(first, error=True)
    assert driver.study.get_trials()[0].state == TrialState.RUNNING
    driver.end(second)
    assert driver.study.get_trials()[0].state == TrialState.FAIL
    assert driver.ask() is None


def test_a_value_that_is_not_finite_fails_its_trial(place: str) -> None:
    config = TrainConfig().replace(SPACE.first)
    held = {config.hash: {**final(config), KEY: math.nan}}
    driver = Driver(place, budget=Budget(num_trials=1), finished=held)
    assert not driver.searcher.has_more()
    (trial,) = driver.study.get_trials()
    assert trial.state == TrialState.FAIL
    assert "not finite" in trial.user_attrs["failure"]


def test_a_point_that_is_no_config_fails_and_is_said(place: str) -> None:
    space = Space(varies={"batch_size": CategoricalDistribution((2, 16))})
    driver = Driver(place, space=space, budget=Budget(num_trials=10))
    object.__setattr__(driver.search, "base", TrainConfig(accumulation_steps=4))
    list(driver.run())
    trials = driver.study.get_trials()
    assert len(trials) == 10
    for trial in trials:
        is_config = trial.params["batch_size"] == 16
        assert trial.state == (TrialState.COMPLETE if is_config else TrialState.FAIL)
    assert len(driver.said) == len(driver.searcher.refused) > 0


def test_several_objectives_have_a_front_and_constraints_are_the_samplers(place: str) -> None:
    driver = Driver(
        place,
        objectives=("minival-accuracy", "zero-share"),
        constraints=("minival-accuracy >= 85",),
    )
    list(driver.run())
    for trial in driver.study.get_trials():
        config = TrainConfig().replace(trial.params)
        assert trial.values == [accuracy(config), config.num_bits / 10]
        assert trial.constraints == {
            "minival-accuracy >= 85": pytest.approx(85 - 100 * accuracy(config))
        }
    assert driver.study.best_trials
    assert all(accuracy(TrainConfig().replace(t.params)) > 0.85 for t in driver.study.best_trials)


class FakeTune:
    trial_id = ""


def reported(driver: Driver, config: TrainConfig, *, rows: int) -> bool:
    """Report epochs as Tune's scheduler does; whether the trial is to stop."""
    trial = FakeTune()
    trial.trial_id = next(of for of, one in driver.running.items() if one == config)
    result = as_tune_gives(config, done=False, rows=rows)
    decision = StudyScheduler(driver.searcher).on_trial_result(None, trial, result)  # type: ignore[arg-type]
    if decision == "STOP":
        assert driver.searcher.was_pruned(trial.trial_id)
        del driver.running[trial.trial_id]
        driver.searcher.on_trial_complete(trial.trial_id, result)
    return decision == "STOP"


def test_a_pruned_trial_is_told_as_pruned_with_its_epochs(place: str) -> None:
    pruner = MedianPruner(n_startup_trials=3, n_warmup_steps=2)
    driver = Driver(place, sampler="random", pruner=pruner)
    while (config := driver.ask()) is not None:
        if not any(reported(driver, config, rows=rows) for rows in range(1, 5)):
            driver.end(config)
    trials = driver.study.get_trials()
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert pruned
    assert len(pruned) + len(complete) == 12
    for trial in pruned:
        assert list(trial.intermediate_values) == [0, 1, 2], "at the first epoch that may"
        assert trial.value == accuracy(TrainConfig().replace(trial.params))
    assert max(t.value for t in pruned) < max(t.value for t in complete)


def test_wilcoxon_gives_up_a_point_between_two_seeds(place: str) -> None:
    with experimental():
        pruner = WilcoxonPruner(p_threshold=0.2, n_startup_steps=2)
    space = Space(
        varies={"label_weight": CategoricalDistribution((1.0, 100.0))},
        first={"label_weight": 1.0},
    )
    driver = Driver(
        place, sampler="grid", space=space, seeds=6, pruner=pruner, budget=Budget(num_trials=2)
    )
    seen = []
    while (config := driver.ask()) is not None:
        seen.append(config)
        driver.end(config)
    good, bad = driver.study.get_trials()
    assert good.state == TrialState.COMPLETE
    assert bad.state == TrialState.PRUNED
    assert sum(config.label_weight == 1.0 for config in seen) == 6
    assert sum(config.label_weight == 100.0 for config in seen) < 6


def test_a_conditional_key_is_drawn_only_where_it_matters(place: str) -> None:
    driver = Driver(place, space=load_space("penalty"), budget=Budget(num_trials=20))
    list(driver.run())
    for trial in driver.study.get_trials():
        assert ("mask_probability" in trial.params) == (trial.params["sparsity_weight"] > 0)


def test_finished_is_said_only_when_no_seed_waits(place: str) -> None:
    driver = Driver(place, seeds=2, budget=Budget(num_trials=1))
    assert driver.ask() is not None
    assert driver.ask() is not None
    assert driver.searcher.suggest("more") == Searcher.FINISHED
