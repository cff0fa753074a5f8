"""An Optuna study in its storage, and what it owes to MLflow after a kill."""

from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from core.data import Dataset
from sweep.engine.budget import ENDED
from sweep.engine.data import Fingerprints
from sweep.engine.samplers import ABILITIES, all_points, experimental
from sweep.engine.study_searcher import CONFIG_HASHES, FAILURE, Search
from sweep.engine.trial import TrialSettings
from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.connect import first_line
from sweep.tracking.objectives import Objective
from sweep.tracking.store import TrialStore
from sweep.tracking.trials import SEARCH_ARM, TrialSpec
from sweep.tracking.writer import SweepRuns

_BUSY_SECONDS = 60
"""How long a writer of SQLite waits for a reader, such as a dashboard."""


def check_objectives(objectives: Sequence[Objective], dataset: Dataset) -> None:
    """Refuse an objective that the data has no numbers for.

    Raises
    ------
    SweepError
    """
    for objective in objectives:
        if objective.epoch_key == metrics.FIDELITY_SCORE and not dataset.attribute_names:
            raise SweepError(
                f"--objective {objective.name} needs attributes, but {dataset.name!r} has none: "
                "take minival-accuracy."
            )


def open_storage(place: str) -> BaseStorage:
    """Open the storage of a study.

    Parameters
    ----------
    place
        A database URL, or a file: Optuna's journal, which a dashboard can read meanwhile.

    Raises
    ------
    SweepError
        If it cannot be opened.
    """
    try:
        if "://" not in place:
            storage: BaseStorage = JournalStorage(JournalFileBackend(place))
        else:
            wait = {"connect_args": {"timeout": _BUSY_SECONDS}}
            storage = RDBStorage(place, engine_kwargs=wait if place.startswith("sqlite") else None)
        storage.get_all_studies()  # a file may be damaged behind its first pages
    # RuntimeError: a database of MLflow's, or of another Optuna. ValueError: no journal.
    except (
        *(SQLAlchemyError, StorageInternalError, ImportError, RuntimeError),
        *(OSError, ValueError, KeyError, TypeError),
    ) as error:
        raise SweepError(
            f"--study-storage {place!r} cannot be opened ({first_line(error)}): give a file, or a "
            "database URL such as postgresql://...; a file that is damaged must be moved away, and "
            "the search then begins anew."
        ) from error
    return storage


def default_storage(output: Path) -> str:
    """The study's file in a sweep's folder."""
    return str(output / "optuna.journal")


def open_study(
    search: Search, storage: BaseStorage, *, sampler: str, pruner: BasePruner
) -> optuna.Study:
    """Make the study, or take up the one of that name.

    A new one begins at the space's first point, or has every point where the sampler lists all.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage,
        study_name=f"search-{search.sweep_id}",
        directions=[objective.direction for objective in search.objectives],
        pruner=pruner,
        load_if_exists=True,
    )
    with experimental():
        study.set_metric_names([objective.name for objective in search.objectives])
    if not study.get_trials(deepcopy=False):
        if ABILITIES[sampler].lists_all:
            for point in all_points(sampler, search.space, seed=search.base.seed):
                study.enqueue_trial(point)
        elif search.space.first:
            study.enqueue_trial(dict(search.space.first))
    return study


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that count: complete, pruned, or failed."""
    return study.get_trials(deepcopy=False, states=ENDED)


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
    sent = {trial.config_hash for trial in held.trials} | held.failures.keys() | held.pruned.keys()
    for trial in ended(study):
        if trial.user_attrs.get(FAILURE) and CONFIG_HASHES not in trial.user_attrs:
            continue  # its point is no config, so there is no run
        for config in search.configs(trial.params):
            if config.hash in sent:
                continue
            fingerprint = fingerprints.of(config)
            spec = TrialSpec(arms=(SEARCH_ARM,), config=config, dataset_fingerprint=fingerprint)
            store = TrialStore.of(settings.storage, settings.sweep_id, config.hash, fingerprint)
            if trial.state == TrialState.COMPLETE:
                if not runs.take_stored(spec, store):
                    raise SweepError(
                        f"Trial {trial.number} of the study is complete, but neither MLflow nor "
                        f"--storage {settings.storage!r} has its numbers: give the --tracking-uri "
                        "and --storage that it ran with, or a --study-storage of its own to start "
                        "anew."
                    )
            elif not runs.take_stored(spec, store):
                _send_end(trial, spec, store, runs)


def _send_end(trial: FrozenTrial, spec: TrialSpec, store: TrialStore, runs: SweepRuns) -> None:
    """Of a run that came to no number, and may not have begun: its trial's other seed ended it."""
    if trial.state == TrialState.PRUNED:
        if trial.intermediate_values:
            runs.trial_pruned(spec, store, num_epochs=len(trial.intermediate_values))
        return
    runs.trial_failed(spec, "its driver was killed before it wrote the reason")
