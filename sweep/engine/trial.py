"""One training run as both executors drive it: resume, epochs, rows of numbers, artifacts.

`TrialRun` is the one adapter between `core` and Ray. The Tune actor and every Ray Train worker
make one and call `advance` until it is done.
"""

import functools
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet
import torch

from core.algorithm import EpochResult, fit
from core.config import TrainConfig
from core.data import Dataset, load_dataset
from core.distributed import rank, world_size
from core.evaluation import Evaluation, evaluate
from core.extractor import TrainedExtractor, attribute_matches
from core.image_options import ImageOptions
from core.state import TrainState
from core.tree import DecisionTree, draw_tree, to_text
from sweep.engine.store import TrialStore
from sweep.tracking import metrics

Row = dict[str, float]
PICTURED_DEPTH = 4


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What a trial needs beside its config. Nothing here changes its result."""

    base: dict[str, Any]
    """Fields of TrainConfig that the sweep does not vary."""

    sweep_id: str
    storage: str
    data_root: str | None
    executor: Literal["actor", "train"]
    cpus: int
    gpus: float
    workers: int
    loader_workers: int = 0
    """Processes that decode images for each worker."""

    report_seconds: float = 1.0
    """Epochs shorter than this are reported several at a time."""

    checkpoint_seconds: float = 10.0
    """Least time between two checkpoints."""

    def config(self, overrides: dict[str, Any]) -> TrainConfig:
        return TrainConfig.from_dict({**self.base, **overrides})


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What became new since the last call of `advance`."""

    rows: list[Row]
    """One a finished epoch, oldest first. After a resume, the earlier epochs once more."""

    done: bool
    final: Row
    """Metrics of the reported epoch, once done."""

    def to_result(self) -> dict[str, Any]:
        """The flat form that Tune and Train pass on; the scalars are those of the newest epoch."""
        newest = self.rows[-1]
        return {
            "rows": self.rows,
            "final": self.final,
            "trial_done": self.done,
            "epoch": int(newest["epoch"]),
            # What a search is told: the reported epoch's value once there is one.
            metrics.MINIVAL_ACCURACY: self.final.get(
                metrics.final(metrics.MINIVAL_ACCURACY), newest[metrics.MINIVAL_ACCURACY]
            ),
            metrics.FIDELITY_SCORE: self.final.get(
                metrics.final(metrics.FIDELITY_SCORE), newest[metrics.FIDELITY_SCORE]
            ),
        }


class TrialRun:
    """A run of one config, resumed from its store when there is a checkpoint."""

    def __init__(self, config: TrainConfig, settings: TrialSettings, device: str = "cpu") -> None:
        self._settings = settings
        self._store = TrialStore.of(settings.storage, settings.sweep_id, config.hash)
        self._dataset = _dataset(
            config.dataset,
            settings.data_root,
            config.image_options,
            config.split_seed,
            settings.loader_workers,
        )
        self._state = TrainState.create(
            config,
            in_channels=self._dataset.image_shape[0],
            num_classes=self._dataset.num_classes,
            device=device,
        )
        self._rows: list[Row] = []
        self._num_sent = 0
        self._last_checkpoint = time.monotonic()
        checkpoint = self._store.load()
        if checkpoint is not None:
            self._state.load_state_dict(checkpoint["state"])
            self._rows = checkpoint["rows"]
        self._epochs = fit(self._state, self._dataset)

    def advance(self) -> Progress:
        """Train until it is time to report, or to the end."""
        start = time.monotonic()
        for result in self._epochs:
            evaluation = self._take(result)
            now = time.monotonic()
            due = now - self._last_checkpoint > self._settings.checkpoint_seconds
            if result.is_last or due:
                self._checkpoint(evaluation)
            # Workers must stop for a report at the same epoch, and their clocks differ.
            if world_size() > 1 or now - start > self._settings.report_seconds:
                break
        final = self._final_row()
        rows, self._num_sent = self._rows[self._num_sent :], len(self._rows)
        return Progress(rows=rows, done=self._state.finished, final=final)

    def _take(self, result: EpochResult) -> Evaluation:
        """Append the epoch's row, and return the numbers of the weights that the state holds.

        Every worker evaluates, since they share the images.
        """
        # At the last epoch the state may hold an earlier epoch's weights, whose row exists.
        is_held = not result.is_last or self._state.reported_epoch == result.epoch
        evaluation = evaluate(
            self._state.model,
            self._tree,
            self._dataset,
            minival=result.minival if is_held else None,
        )
        if rank() == 0:
            self._rows.append(_row(result, evaluation if is_held else None))
        else:
            self._rows.append({"epoch": result.epoch})
        return evaluation

    @property
    def _tree(self) -> DecisionTree:
        tree = self._state.tree
        if tree is None:
            raise RuntimeError("After an epoch there is a tree.")
        return tree

    def _checkpoint(self, evaluation: Evaluation) -> None:
        if rank() != 0:
            return
        if self._state.finished:
            self._write_artifacts(evaluation)
        self._store.save(
            {"state": self._state.state_dict(), "rows": self._rows, "final": self._final_row()}
        )
        self._last_checkpoint = time.monotonic()

    def _final_row(self) -> Row:
        if rank() != 0 or not self._state.finished:
            return {}
        reported = self._state.reported_epoch
        row = next(row for row in self._rows if row["epoch"] == reported)
        final = {metrics.final(key): row[key] for key in metrics.EPOCH_METRICS if key in row}
        seconds = (metrics.SECONDS_NETWORK, metrics.SECONDS_TREE, metrics.SECONDS_DATA)
        final[metrics.REPORTED_EPOCH] = row["epoch"]
        final[metrics.TRAIN_SECONDS] = sum(
            row[key] for row in self._rows for key in (*seconds, metrics.SECONDS_VALIDATION)
        )
        return final

    def _write_artifacts(self, evaluation: Evaluation) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_artifacts(Path(folder), self._state, self._tree, evaluation, self._dataset)
            self._store.put_artifacts(Path(folder))


def write_artifacts(
    folder: Path, state: TrainState, tree: DecisionTree, evaluation: Evaluation, dataset: Dataset
) -> None:
    """Write what a run leaves behind: config, weights, tree in three forms, attribute table.

    `core.AttributeExtractor.load` reads the folder.
    """
    TrainedExtractor(
        config=state.config,
        model=state.model,
        tree=tree,
        classes=np.array(dataset.class_names),
        input_shape=dataset.image_shape,
        matches=attribute_matches(evaluation.fidelity, dataset.attribute_names),
    ).write(folder)
    (folder / "config.json").write_text(json.dumps(state.config.to_dict(), indent=2))
    (folder / "tree.txt").write_text(to_text(tree, class_names=dataset.class_names))
    figure = draw_tree(tree, class_names=dataset.class_names, max_depth=PICTURED_DEPTH)
    figure.savefig(folder / "tree.png", dpi=80)
    pyarrow.parquet.write_table(
        evaluation.fidelity.table(dataset.attribute_names), folder / "attributes.parquet"
    )


def _row(result: EpochResult, evaluation: Evaluation | None) -> Row:
    row = {
        "epoch": float(result.epoch),
        # Kept with the row, so that sending a row twice writes the same MLflow point.
        "timestamp_ms": float(int(time.time() * 1000)),
        metrics.LABEL_LOSS: result.label_loss,
        metrics.TREE_LOSS: result.tree_loss,
        metrics.SPARSITY_LOSS: result.sparsity_loss,
        metrics.MINIVAL_ACCURACY: result.minival_accuracy,
        metrics.TREE_DEPTH: float(result.tree.depth),
        metrics.TREE_LEAVES: float(result.tree.num_leaves),
        **{f"seconds_{part}": seconds for part, seconds in result.seconds.items()},
    }
    if evaluation is not None:
        row |= evaluation.scalars()
    # A sweep arm without the tree has no tree loss: no number, rather than NaN.
    return {key: value for key, value in row.items() if value == value}


@functools.lru_cache(maxsize=2)
def _dataset(
    name: str, root: str | None, images: ImageOptions, split_seed: int, num_workers: int
) -> Dataset:
    """Trials that reuse a process share the data as well."""
    return load_dataset(
        name, data=root, images=images, split_seed=split_seed, num_workers=num_workers
    )


def set_threads(count: int) -> None:
    """Give torch its share of the cores; results may depend on the count in the last bits."""
    torch.set_num_threads(count)
