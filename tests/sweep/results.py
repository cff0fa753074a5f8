"""Sweeps whose numbers are known: in memory, and in a real MLflow store."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from sweep.spec import SweepSpec
from sweep.tracking import metrics
from sweep.tracking.connect import EXPERIMENT, connect
from sweep.tracking.results import FinishedTrial, SweepResults
from sweep.tracking.rows import EpochRow
from sweep.tracking.store import TrialStore
from sweep.tracking.trials import TrialSpec
from sweep.tracking.writer import SweepRuns

Number = Callable[[str, TrialSpec], float]
ByEpoch = Callable[[str, TrialSpec], Sequence[float]]


def by_seed(key: str, trial: TrialSpec) -> float:
    """A value that depends on key, seed and p in a known way."""
    base = 0.1 * (metrics.FINAL_METRICS.index(key) % 7)
    config = trial.config
    # The mask of a loss without weight is no part of the run, so no number may depend on it.
    p = config.mask_probability if config.has_sparsity_loss else 0.0
    return base + 0.01 * config.seed + 0.2 * p


def results_of(
    spec: SweepSpec,
    number: Number,
    *,
    missing: int = 0,
    keys: Sequence[str] = metrics.FINAL_METRICS,
    by_epoch: ByEpoch | None = None,
) -> SweepResults:
    """A sweep whose last trials failed, and whose other trials have the given numbers.

    By epoch they stay where they end, unless `by_epoch` says otherwise.
    """
    trials = spec.trials()
    finished = [
        FinishedTrial(
            run_id="",
            config_hash=trial.hash,
            seed=trial.config.seed,
            params={},
            final={key: number(key, trial) for key in keys},
        )
        for trial in trials[: len(trials) - missing]
    ]
    failures = {trial.hash: "loss is nan" for trial in trials[len(trials) - missing :]}
    histories = {
        trial.hash: {
            key: list(
                enumerate(
                    by_epoch(key, trial) if by_epoch else [number(metrics.final(key), trial)] * 3
                )
            )
            for key in metrics.EPOCH_METRICS
            if metrics.final(key) in keys
        }
        for trial in trials
    }
    return SweepResults(plan=spec.plan(), trials=finished, failures=failures, histories=histories)


def store_sweep(
    uri: str,
    folder: Path,
    spec: SweepSpec,
    number: Number = by_seed,
    *,
    failing: Sequence[str] = (),
    fingerprint: str = "f" * 64,
    rows: Sequence[EpochRow] = (),
    artifact_root: Path | None = None,
) -> SweepResults:
    """Write a sweep as its driver would, but for the training; `failing` are arms."""
    client, experiment_id = connect(uri, EXPERIMENT, artifact_root=artifact_root)
    tags = {metrics.TAG_SWEEP: spec.name, metrics.TAG_DATASET_FINGERPRINT: fingerprint}
    with SweepRuns(
        client,
        experiment_id,
        sweep_id=spec.sweep_id(fingerprint),
        plan=spec.plan({trial.hash: fingerprint for trial in spec.trials()}),
        tags=tags,
    ) as runs:
        for without_data in spec.trials():
            trial = dataclasses.replace(without_data, dataset_fingerprint=fingerprint)
            runs.trial_started(trial)
            runs.trial_rows(trial.hash, rows)
            if trial.arm in failing:
                runs.trial_failed(trial, "loss is nan")
                continue
            store = TrialStore.of(str(folder / "trials"), spec.name, trial.hash, fingerprint)
            made = folder / "made" / trial.hash
            made.mkdir(parents=True, exist_ok=True)
            (made / "tree.txt").write_text(trial.arm)
            store.put_artifacts(made)
            final = {key: number(key, trial) for key in metrics.FINAL_METRICS}
            runs.trial_finished(trial.hash, final, store)
    return runs.read()
