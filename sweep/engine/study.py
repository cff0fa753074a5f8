"""An Optuna study run by Ray Tune: what is asked, told, and taken up again after a kill."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from ray.tune.search.optuna import OptunaSearch
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from core.config import TrainConfig
from core.data import Dataset
from sweep.engine.data import Fingerprints
from sweep.engine.drive import drive
from sweep.engine.options import RunOptions
from sweep.engine.runner import SweepResult, open_sweep
from sweep.engine.trial import TrialSettings
from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.objectives import OBJECTIVES, SPACE_FILE, space_to_json
from sweep.tracking.plan import Plan
from sweep.tracking.results import FinishedTrial
from sweep.tracking.store import TrialStore
from sweep.tracking.trials import SEARCH_ARM, TrialSpec
from sweep.tracking.writer import SweepRuns

_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}

_LOST = "lost_trials"
"""User attribute of a study: numbers of trials whose driver was killed. Their points were asked
for again, so they do not count."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """What a study searches."""

    base: TrainConfig
    space: Mapping[str, BaseDistribution]
    first: Mapping[str, Any]
    sweep_id: str
    objective: str
    num_trials: int

    @property
    def metric(self) -> str:
        return OBJECTIVES[self.objective]


def check_objective(objective: str, dataset: Dataset) -> None:
    """Refuse an objective that the data has no numbers for.

    Raises
    ------
    SweepError
    """
    if OBJECTIVES[objective] == metrics.FIDELITY_SCORE and not dataset.attribute_names:
        raise SweepError(
            f"--objective {objective} needs attributes, but {dataset.name!r} has none: take "
            "minival-accuracy."
        )


def open_storage(url: str) -> BaseStorage:
    """Open the database of the study.

    Raises
    ------
    SweepError
        If it cannot be opened.
    """
    try:
        storage = RDBStorage(url)
        storage.get_all_studies()  # a file may be damaged behind its first pages
    # RuntimeError: a database of MLflow's, or of another Optuna.
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        raise SweepError(
            f"--study-storage {url!r} cannot be opened ({str(error).splitlines()[0]}): give a "
            "database URL such as sqlite:///FILE; a file that is damaged must be moved away, and "
            "the search then begins anew."
        ) from error
    return storage


def open_study(search: Search, storage: BaseStorage, *, sampler: str) -> optuna.Study:
    """Make the study, or take up the one of that name; its first point is `search.first`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=f"search-{search.sweep_id}",
        direction="maximize",
        load_if_exists=True,
    )
    study.set_user_attr("objective", search.objective)
    # A restart with the first run's seed would suggest the first run's points again.
    seed = [search.base.seed, len(study.trials)]
    study.sampler = _SAMPLERS[sampler](int(np.random.SeedSequence(seed).generate_state(1)[0]))
    if not study.trials:
        study.enqueue_trial(dict(search.first))
    return study


def run_search(
    search: Search,
    study: optuna.Study,
    storage: BaseStorage,
    fingerprints: Fingerprints,
    options: RunOptions,
    console: Console,
) -> SweepResult:
    """Bring the study to `search.num_trials` ended trials."""
    plan = Plan(
        name="search",
        title=f"Search on {search.base.dataset} ({search.objective})",
        base=search.base.to_dict(),
        arms=(),
        seeds=(search.base.seed,),
        trials=(),
    )
    fingerprint = fingerprints.of(search.base)
    settings = TrialSettings(
        base=search.base.to_dict(),
        sweep_id=search.sweep_id,
        storage=options.storage,
        data=options.data,
        fingerprints=fingerprints.known,
        placement=options.placement,
    )
    with open_sweep(
        plan,
        search.sweep_id,
        options,
        console,
        fingerprints=[fingerprint],
        searched=tuple(search.space),
        documents={SPACE_FILE: space_to_json(search.space)},
        tags={metrics.TAG_OBJECTIVE: search.objective},
    ) as runs:
        send_what_was_told(study, search, runs, settings, fingerprints)
        take_up(study, search, {t.config_hash: t for t in runs.read().trials})
        num_ended = len(ended(study))
        rest = search.num_trials - num_ended
        driven = None
        if rest > 0:
            searcher = OptunaSearch(
                dict(search.space),
                metric=search.metric,
                mode="max",
                sampler=study.sampler,
                study_name=study.study_name,
                storage=storage,
            )
            driven = drive(
                searcher,
                settings,
                fingerprints,
                runs,
                options,
                console,
                num_trials=rest,
                num_done=num_ended,
            )
    return SweepResult(results=runs.read(), num_skipped=num_ended, drive=driven)


def send_what_was_told(
    study: optuna.Study,
    search: Search,
    runs: SweepRuns,
    settings: TrialSettings,
    fingerprints: Fingerprints,
) -> None:
    """Write to MLflow the ends that Optuna knows of and a killed driver had not sent yet.

    Raises
    ------
    SweepError
        If neither MLflow nor the trials' storage has the numbers of a complete trial.
    """
    held = runs.read()
    sent = {trial.config_hash for trial in held.trials} | held.failures.keys()
    for trial in ended(study):
        config = search.base.replace(trial.params)
        if config.hash in sent:
            continue
        fingerprint = fingerprints.of(config)
        spec = TrialSpec(arms=(SEARCH_ARM,), config=config, dataset_fingerprint=fingerprint)
        if trial.state == TrialState.FAIL:
            runs.trial_failed(spec, "its driver was killed before it wrote the reason")
            continue
        store = TrialStore.of(settings.storage, settings.sweep_id, config.hash, fingerprint)
        if not runs.take_stored(spec, store):
            raise SweepError(
                f"Trial {trial.number} of the study is complete, but neither MLflow nor --storage "
                f"{settings.storage!r} has its numbers: give the --tracking-uri and --storage that "
                "it ran with, or a --study-storage of its own to start anew."
            )


def take_up(study: optuna.Study, search: Search, finished: Mapping[str, FinishedTrial]) -> None:
    """Settle the trials that a killed driver left running.

    One that MLflow has whole is told its value; the point of any other is asked for again, where
    the trial's own checkpoint is found by its config hash.
    """
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        known = None
        if trial.params:
            known = finished.get(search.base.replace(trial.params).hash)
        if known is not None:
            study.tell(trial.number, known.final[metrics.final(search.metric)])
            continue
        study.set_user_attr(_LOST, [*study.user_attrs.get(_LOST, ()), trial.number])
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Trials that count: complete, or failed by their own doing."""
    return [
        trial
        for trial in study.get_trials(states=(TrialState.COMPLETE, TrialState.FAIL))
        if trial.number not in study.user_attrs.get(_LOST, ())
    ]
