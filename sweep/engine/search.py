"""A search from its options to its end: the study, Tune, and MLflow."""

from dataclasses import dataclass, field

import optuna
from rich.console import Console
from rich.markup import escape

from sweep.engine.budget import Budget, Meter
from sweep.engine.data import Fingerprints
from sweep.engine.drive import drive
from sweep.engine.options import RunOptions
from sweep.engine.runner import SweepResult, open_sweep
from sweep.engine.samplers import make_sampler
from sweep.engine.study import ended, send_what_was_told
from sweep.engine.study_searcher import Search, StudyScheduler, StudySearcher
from sweep.engine.suggestions import Suggestions
from sweep.engine.trial import REPORT_SECONDS, TrialSettings
from sweep.tracking import metrics
from sweep.tracking.objectives import SPACE_FILE, space_to_json
from sweep.tracking.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a search goes on, and when it ends. A restart may change it."""

    sampler: str = "tpe"
    budget: Budget = field(default_factory=Budget)
    every_epoch: bool = False
    """Whether a trial reports each epoch by itself, however short, as a pruner wants."""


def run_search(
    search: Search,
    study: optuna.Study,
    course: Course,
    fingerprints: Fingerprints,
    options: RunOptions,
    console: Console,
) -> SweepResult:
    """Let a study go on until a budget is reached.

    Raises
    ------
    SweepError, CoreError
        If the search cannot start, in one line.
    """
    names = " ".join(objective.name for objective in search.objectives)
    seeds = range(search.base.seed, search.base.seed + search.seeds_per_trial)
    plan = Plan(
        name="search",
        title=f"Search on {search.base.dataset} ({names.replace(' ', ', ')})",
        base=search.base.to_dict(),
        arms=(),
        seeds=tuple(seeds),
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
        report_seconds=0.0 if course.every_epoch else REPORT_SECONDS,
    )
    resources = options.placement.resources
    with open_sweep(
        plan,
        search.sweep_id,
        options,
        console,
        fingerprints=[fingerprint],
        searched=tuple(search.space.varies),
        documents={SPACE_FILE: space_to_json(search.space.varies)},
        tags={metrics.TAG_OBJECTIVE: names, metrics.TAG_STUDY: study.study_name},
    ) as runs:
        send_what_was_told(study, search, runs, settings, fingerprints)
        num_before = len(ended(study))
        meter = Meter(
            study,
            course.budget,
            cpus=resources["CPU"],
            gpus=resources["GPU"],
            unit=100.0 if search.objectives[0].unit == "percent" else 1.0,
        )
        searcher = StudySearcher(
            study,
            search,
            sampler=lambda number, index: make_sampler(
                course.sampler,
                seed=search.base.seed,
                number=number,
                index=index,
                grouped=bool(search.space.only_if),
            ),
            meter=meter,
            finished={trial.config_hash: trial.final for trial in runs.read().trials},
            say=lambda sentence: console.print(escape(sentence)),
        )
        driven = None
        try:
            if searcher.has_more():
                total = course.budget.num_trials
                driven = drive(
                    Suggestions(
                        searcher=searcher,
                        scheduler=StudyScheduler(searcher),
                        tags_of=searcher.tags_of,
                        was_pruned=searcher.was_pruned,
                    ),
                    settings,
                    fingerprints,
                    runs,
                    options,
                    console,
                    num_trials=None if total is None else (total - num_before) * len(seeds),
                    num_done=num_before * len(seeds),
                )
        finally:
            meter.keep()
        if searcher.reached:
            console.print(f"The search ends: {searcher.reached}.")
    return SweepResult(results=runs.read(), num_skipped=num_before, drive=driven)
