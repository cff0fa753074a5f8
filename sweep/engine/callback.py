"""What Tune tells the driver, passed on to MLflow and to the progress view."""

from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.tune import Callback
from ray.tune.experiment import Trial

from sweep.engine.data import Fingerprints
from sweep.engine.failures import in_one_line
from sweep.engine.progress import ProgressView
from sweep.engine.suggestions import Suggestions
from sweep.engine.trial import TrialSettings
from sweep.tracking.rows import TrialReport
from sweep.tracking.store import TrialStore
from sweep.tracking.trials import TrialSpec
from sweep.tracking.writer import SweepRuns


class SweepCallback(Callback):
    """Writes each trial's rows, artifacts and end to its MLflow run.

    A trial is known by the hash of its config, never by Tune's id: a restarted sweep gives the
    same config a new id.

    Parameters
    ----------
    suggestions
        What the trials are, and serve.
    fingerprints
        Of the data that the trials train on.
    """

    def __init__(
        self,
        runs: SweepRuns,
        view: ProgressView,
        settings: TrialSettings,
        suggestions: Suggestions,
        fingerprints: Fingerprints,
    ) -> None:
        self._runs = runs
        self._view = view
        self._settings = settings
        self._suggestions = suggestions
        self._fingerprints = fingerprints
        self.failures: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for `Tuner.restore`, which is not used here: a sweep resumes
        # from MLflow and TrialStore. Threads and connections stay out of the pickle.
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        spec = self._spec(trial)
        self._runs.trial_started(spec)
        self._view.started(spec.hash, self._runs.name_of(spec), num_epochs=spec.config.num_epochs)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        report = TrialReport.from_result(result)
        if report is None:
            return
        spec = self._spec(trial)
        for note in report.notes:
            self._view.note(self._runs.name_of(spec), note)
        self._runs.trial_rows(spec.hash, report.rows)
        self._view.advanced(spec.hash, report.rows[-1].epoch + 1)

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        spec = self._spec(trial)
        report = TrialReport.from_result(trial.last_result)
        store = TrialStore.of(
            self._settings.storage, self._settings.sweep_id, spec.hash, spec.dataset_fingerprint
        )
        if report is not None and self._suggestions.was_pruned(trial.trial_id):
            self._runs.trial_pruned(spec, store, num_epochs=report.rows[-1].epoch + 1)
            self._view.pruned(spec.hash)
            return
        if report is None or not report.done:
            self._fail(spec, "it ended before its last epoch")
            return
        self._runs.trial_finished(spec.hash, report.final, store)
        self._view.finished(spec.hash, report.final)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._fail(self._spec(trial), in_one_line(_error(trial)))

    def _fail(self, spec: TrialSpec, reason: str) -> None:
        self.failures[spec.hash] = reason
        self._runs.trial_failed(spec, reason)
        self._view.failed(spec.hash, self._runs.name_of(spec), reason)

    def _spec(self, trial: Trial) -> TrialSpec:
        config = self._settings.config(trial.config)
        return TrialSpec(
            arms=self._suggestions.arms_of(config.hash),
            config=config,
            dataset_fingerprint=self._fingerprints.of(config),
            tags=self._suggestions.tags_of(config.hash),
        )


def _error(trial: Trial) -> BaseException | None:
    """What Tune wrote down of a trial's failure."""
    file = trial.pickled_error_file
    error: BaseException | None = cloudpickle.loads(Path(file).read_bytes()) if file else None
    return error
