"""One training run as both executors drive it: resume, epochs, rows of numbers, artifacts.

`TrialRun` is the one adapter between `core` and Ray. The Tune actor and every Ray Train worker
make one and call `advance` until it is done.
"""

import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from core.assessment import assess
from core.config import TrainConfig
from core.distributed import rank, world_size
from core.evaluation import Evaluation, evaluate
from core.extractor.artifacts import write_artifacts
from core.methods import create_state
from core.training import EpochResult, fit
from sweep.engine.data import DataKey, DataPlaces, check_same_data, data_key
from sweep.engine.hardware import Hardware
from sweep.engine.notice import Notices
from sweep.engine.placement import Placement
from sweep.tracking import metrics
from sweep.tracking.rows import EpochRow, TrialReport
from sweep.tracking.store import DamagedCheckpointError, TrialStore

REPORT_SECONDS = 1.0
"""Least time between two reports of a trial, where nothing needs them sooner."""


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What a trial needs beside its config. Nothing here changes its result."""

    base: dict[str, Any]
    """Every field of the sweep's base config."""

    sweep_id: str
    storage: str
    data: DataPlaces = field(default_factory=DataPlaces)
    fingerprints: Mapping[DataKey, str] = field(default_factory=dict)
    """Of the data that the driver saw; a trial refuses to train on other data."""

    placement: Placement = field(default_factory=Placement)

    report_seconds: float = REPORT_SECONDS
    """Epochs shorter than this are reported, and saved, several at a time."""

    def config(self, overrides: dict[str, Any]) -> TrainConfig:
        return TrainConfig.from_dict({**self.base, **overrides})


class TrialRun:
    """A run of one config, resumed from its store when there is a checkpoint."""

    def __init__(
        self,
        config: TrainConfig,
        settings: TrialSettings,
        device: str = "cpu",
        *,
        notices: Notices | None = None,
        hardware: Hardware | None = None,
    ) -> None:
        self._settings = settings
        self._notices = notices
        self._hardware = hardware
        self._dataset = settings.data.load(config)
        check_same_data(config, self._dataset, settings.fingerprints.get(data_key(config)))
        self._store = TrialStore.of(
            settings.storage, settings.sweep_id, config.hash, self._dataset.fingerprint
        )
        self._state = create_state(
            config,
            in_channels=self._dataset.image_shape[0],
            num_classes=self._dataset.num_classes,
            device=device,
        )
        self._rows: list[EpochRow] = []
        self._assessment: dict[str, float] = {}
        self._num_sent = 0
        self._last_checkpoint = time.monotonic()
        self._notes: list[str] = []
        checkpoint = self._load_checkpoint()
        if checkpoint is not None:
            self._state.load_state_dict(checkpoint["state"])
            self._rows = [EpochRow.from_plain(row) for row in checkpoint["rows"]]
            self._assessment = checkpoint.get("assessment", {})  # an earlier release has none
        self._epochs = fit(self._state, self._dataset, after_batch=self._after_batch)

    def advance(self) -> TrialReport:
        """Train until it is time to report, or to the end."""
        with self._notices.training() if self._notices else nullcontext():
            return self._advance()

    def _advance(self) -> TrialReport:
        start = time.monotonic()
        for result in self._epochs:
            evaluation = self._take(result)
            now = time.monotonic()
            if result.is_last:
                self._finish(evaluation)
            least = min(self._settings.report_seconds, self._settings.placement.checkpoint_seconds)
            if result.is_last or self._is_due(least):
                self._save()
            # Workers must stop for a report at the same epoch, and their clocks differ.
            if world_size() > 1 or now - start > self._settings.report_seconds:
                break
        final = self._final()
        rows, self._num_sent = self._rows[self._num_sent :], len(self._rows)
        notes, self._notes = self._notes, []
        return TrialReport(rows=rows, done=self._state.finished, final=final, notes=notes)

    def _load_checkpoint(self) -> dict[str, Any] | None:
        """The newest checkpoint; a damaged one is set aside, and the trial starts anew."""
        try:
            return self._store.load()
        except DamagedCheckpointError as error:
            if rank() == 0:
                aside = self._store.set_aside()
                self._notes.append(f"{error} It is now {aside!r}, and the trial starts anew.")
            return None

    def _take(self, result: EpochResult) -> Evaluation:
        """Append the epoch's row, and return the numbers of the weights that the state holds.

        Every worker evaluates, since they share the images.
        """
        # At the last epoch the state may hold an earlier epoch's weights, whose row exists.
        is_held = not result.is_last or self._state.reported_epoch == result.epoch
        evaluation = evaluate(
            self._state.model,
            self._state.tree,
            self._dataset,
            minival=result.minival if is_held else None,
        )
        row = _row(result, evaluation if is_held else None)
        if self._hardware is not None:
            row = replace(row, values={**row.values, **self._hardware.take()})
        self._rows.append(row)
        return evaluation

    def _after_batch(self) -> None:
        if self._is_due(self._settings.placement.checkpoint_seconds):
            self._save()

    def _is_due(self, least_seconds: float) -> bool:
        if self._notices is not None and self._notices.save_now():
            return True
        return time.monotonic() - self._last_checkpoint > least_seconds

    def _save(self) -> None:
        """Write a checkpoint, between two batches or two epochs. The first worker has all of it."""
        if rank() == 0:
            self._store.save(
                {
                    "state": self._state.state_dict(),
                    "rows": [row.to_plain() for row in self._rows],
                    "final": self._final(),
                    "assessment": self._assessment,
                }
            )
        self._last_checkpoint = time.monotonic()
        if self._notices is not None and self._notices.save_now():
            self._notices.answered()

    def _final(self) -> dict[str, float]:
        if rank() != 0 or not self._state.finished:
            return {}
        reported = self._state.reported_epoch
        row = next(row for row in self._rows if row.epoch == reported)
        return {
            **{
                metrics.final(key): value
                for key, value in row.values.items()
                if not metrics.is_system(key)
            },
            **self._assessment,
            metrics.REPORTED_EPOCH: float(row.epoch),
            metrics.TRAIN_SECONDS: sum(
                row.values.get(key, 0.0) for row in self._rows for key in metrics.SECONDS
            ),
        }

    def _finish(self, evaluation: Evaluation) -> None:
        """Compute what is computed once a run, and write its artifacts."""
        config = self._state.config
        device = next(self._state.model.parameters()).device
        assessment = assess(
            config, self._state.model, self._dataset, evaluation, device=device
        ).scalars()
        self._assessment = {metrics.final(name): value for name, value in assessment.items()}
        if rank() == 0:
            self._write_artifacts(evaluation)

    def _write_artifacts(self, evaluation: Evaluation) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_artifacts(Path(folder), self._state, evaluation, self._dataset)
            self._store.put_artifacts(Path(folder))


def _row(result: EpochResult, evaluation: Evaluation | None) -> EpochRow:
    values = {metrics.loss(name): value for name, value in result.losses.items()}
    values[metrics.MINIVAL_ACCURACY] = result.minival_accuracy
    if result.tree is not None:
        values[metrics.TREE_DEPTH] = float(result.tree.depth)
        values[metrics.TREE_LEAVES] = float(result.tree.num_leaves)
    values |= {metrics.seconds(part): value for part, value in result.seconds.items()}
    if evaluation is not None:
        values |= evaluation.scalars()
    return EpochRow(epoch=result.epoch, timestamp_ms=int(time.time() * 1000), values=values)


def set_threads(count: int) -> None:
    """Give torch its share of the cores; results may depend on the count in the last bits."""
    torch.set_num_threads(count)
