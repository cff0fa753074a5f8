"""From a spec to a finished sweep: refuse what cannot work, skip what is done, run the rest."""

import _thread
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from core.backbones import check_backbone
from core.config import TrainConfig
from core.methods import check_method
from sweep.engine.data import Fingerprints
from sweep.engine.drive import Drive, drive
from sweep.engine.lease import hold_lease
from sweep.engine.options import RunOptions
from sweep.engine.suggestions import listed
from sweep.engine.trial import TrialSettings
from sweep.engine.versions import version_tags
from sweep.spec import SweepSpec
from sweep.tracking import metrics
from sweep.tracking.connect import EXPERIMENT, connect
from sweep.tracking.plan import Plan
from sweep.tracking.results import SweepResults
from sweep.tracking.storage import check_storage
from sweep.tracking.store import sweep_folder
from sweep.tracking.writer import SweepRuns


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """How a sweep ended."""

    results: SweepResults
    """As MLflow holds them, from this run of the command or an earlier one."""

    num_skipped: int
    """Trials that were finished before."""

    drive: Drive | None
    """How those of this run went; None where none were left."""

    @property
    def failures(self) -> Mapping[str, str]:
        """Reason by config hash, of this run's trials."""
        return self.drive.failures if self.drive else {}


def run_sweep(spec: SweepSpec, options: RunOptions, console: Console) -> SweepResult:
    """Run every trial of a spec that is not finished yet.

    Raises
    ------
    SweepError, CoreError
        If the sweep cannot start, in one line, before any trial does.
    """
    trials = spec.trials()
    check_configs((trial.config for trial in trials), options)
    fingerprints = Fingerprints(options.data)
    of_base = fingerprints.of(spec.base) if spec.has_fixed_dataset else None
    by_hash = {trial.hash: fingerprints.of(trial.config) for trial in trials}
    sweep_id = spec.sweep_id(of_base)
    settings = TrialSettings(
        base=spec.base.to_dict(),
        sweep_id=sweep_id,
        storage=options.storage,
        data=options.data,
        fingerprints=fingerprints.known,
        placement=options.placement,
    )
    with open_sweep(
        spec.plan(by_hash), sweep_id, options, console, fingerprints=sorted(set(by_hash.values()))
    ) as runs:
        finished = {trial.config_hash for trial in runs.read().trials}
        rest = [trial for trial in trials if trial.hash not in finished]
        ended = None
        if rest:
            ended = drive(
                listed(spec.base, rest),
                settings,
                fingerprints,
                runs,
                options,
                console,
                num_trials=len(rest),
                num_done=len(finished),
            )
    return SweepResult(results=runs.read(), num_skipped=len(finished), drive=ended)


def check_configs(
    configs: Iterable[TrainConfig], options: RunOptions, *, lacking: Collection[str] = ()
) -> None:
    """Refuse what can be refused before any data is read.

    Parameters
    ----------
    configs, options
        Of the sweep.
    lacking
        Datasets that need no place yet.

    Raises
    ------
    CoreError, SweepError
        In one line.
    """
    without_seed = dict.fromkeys(config.replace({"seed": 0}) for config in configs)
    options.data.check(without_seed, lacking=lacking)
    for config in without_seed:
        check_method(config)
        check_backbone(config)
        options.placement.check_batch_statistics(config)


@contextmanager
def open_sweep(
    plan: Plan,
    sweep_id: str,
    options: RunOptions,
    console: Console,
    *,
    fingerprints: Sequence[str],
    searched: Sequence[str] = (),
    documents: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Iterator[SweepRuns]:
    """Check storage and tracking, be the sweep's only driver, and yield its runs.

    Raises
    ------
    SweepError
        If one of them cannot be used, or another driver is at the sweep.
    """
    options.output.mkdir(parents=True, exist_ok=True)
    check_storage(options.storage)
    client, experiment_id = connect(
        options.tracking_uri,
        EXPERIMENT,
        artifact_root=options.output / "artifacts" if options.uses_embedded_store else None,
    )

    def say(sentence: str) -> None:
        console.print(escape(sentence))

    lease = hold_lease(
        sweep_folder(options.storage, sweep_id),
        take_over=options.take_over,
        say=say,
        lost=lambda: _stop_since_lost(console),
        cancelled=lambda where: _stop_since_cancelled(where, console),
    )
    with (
        lease,
        SweepRuns(
            client,
            experiment_id,
            sweep_id=sweep_id,
            plan=plan,
            tags={
                metrics.TAG_SWEEP: plan.name,
                metrics.TAG_DATASET_FINGERPRINT: " ".join(fingerprints),
                metrics.TAG_EXECUTOR: options.placement.chosen_executor,
                metrics.TAG_CPUS: f"{options.placement.resources['CPU']:g}",
                metrics.TAG_GPUS: f"{options.placement.resources['GPU']:g}",
                **version_tags(),
                **(tags or {}),
            },
            searched=searched,
            documents=documents,
            say=say,
        ) as runs,
    ):
        yield runs


def _stop_since_lost(console: Console) -> None:
    """End this driver as Ctrl-C would: two that train the same would write over one another."""
    console.print("[red]Another driver has taken over this sweep:[/red] this one stops.")
    _thread.interrupt_main()


def _stop_since_cancelled(where: str, console: Console) -> None:
    """End this driver as Ctrl-C would."""
    console.print(escape(f"Cancelled by `python -m sweep.cancel` on {where}."))
    _thread.interrupt_main()
