"""What a report is made of: a sweep's plan and its finished trials, as they were read from MLflow.

MLflow is imported when a history or a file is asked for: a command's help needs neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.tracking import metrics
from sweep.tracking.plan import Plan

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

History = Mapping[str, Sequence[tuple[int, float]]]
"""Metric to its (epoch, value) points, by epoch."""


@dataclass(frozen=True, kw_only=True)
class FinishedTrial:
    """A trial that MLflow holds in full. The arms that it serves are the plan's to say."""

    run_id: str
    config_hash: str
    seed: int
    params: Mapping[str, str]
    """The config's fields as MLflow keeps them, in words."""

    final: Mapping[str, float]
    """Every metric whose key is `metrics.final(...)`, by that key."""

    dataset_fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True)
class SweepResults:
    """A sweep as MLflow holds it at the moment of reading."""

    plan: Plan
    trials: Sequence[FinishedTrial]
    """The finished ones, in the plan's order and each once; those of a search as they started."""

    failures: Mapping[str, str] = field(default_factory=dict)
    """Reason by config hash, of the trials whose last attempt failed."""

    pruned: Mapping[str, str] = field(default_factory=dict)
    """When, by config hash, of the trials that a search's pruner stopped."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the sweep's own run."""

    run_id: str = ""
    """The sweep's own run."""

    client: "MlflowClient | None" = None

    def of_arm(self, arm: str) -> dict[int, FinishedTrial]:
        """The finished trials of an arm by seed; another arm may share them."""
        finished = {trial.config_hash: trial for trial in self.trials}
        return {
            planned.seed: finished[planned.config_hash]
            for planned in self.plan.trials
            if planned.arm == arm and planned.config_hash in finished
        }

    def final(self, arm: str, key: str) -> dict[int, float]:
        """One final metric of an arm by seed, of the trials that have it."""
        return {
            seed: trial.final[key] for seed, trial in self.of_arm(arm).items() if key in trial.final
        }

    def history(self, trial: FinishedTrial) -> History:
        """Every metric of a trial that was logged by epoch."""
        client = self.open_client()
        keys = [
            key for key in client.get_run(trial.run_id).data.metrics if not metrics.is_final(key)
        ]
        return {
            key: sorted(
                (point.step, point.value) for point in client.get_metric_history(trial.run_id, key)
            )
            for key in sorted(keys)
        }

    def artifacts(self, trial: FinishedTrial) -> list[str]:
        """Paths of the files and folders that a trial left."""
        return [str(file.path) for file in self.open_client().list_artifacts(trial.run_id)]

    def artifact(self, trial: FinishedTrial, path: str, folder: Path) -> Path:
        """Copy one of `artifacts` into a folder.

        Raises
        ------
        SweepError
            If the run has no such file.
        """
        from sweep.tracking.files import download

        return download(self.open_client(), trial.run_id, path, folder)

    def document(self, path: str) -> str:
        """Text of a file that the sweep's own run holds.

        Raises
        ------
        SweepError
            If it has no such file.
        """
        from sweep.tracking.files import read_text

        return read_text(self.open_client(), self.run_id, path)

    def open_client(self) -> "MlflowClient":
        """The store that these were read from.

        Raises
        ------
        ValueError
            If they were made by hand.
        """
        if self.client is None:
            raise ValueError("These results were not read from MLflow: histories are there alone.")
        return self.client
