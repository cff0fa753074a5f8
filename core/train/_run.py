"""A run from a config to its folder, that can be stopped at any batch and goes on."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from core.config import TrainConfig
from core.data import Dataset
from core.evaluation import Evaluation, evaluate
from core.extractor.artifacts import write_artifacts
from core.methods import create_state
from core.train._folder import Row, RunFolder
from core.training import EpochResult, TrainState, fit

__all__ = ["train_to_folder"]

_SECONDS_BETWEEN_CHECKPOINTS = 30.0


def train_to_folder(
    config: TrainConfig,
    dataset: Dataset,
    folder: Path | str,
    *,
    device: torch.device | str = "cpu",
    on_start: Callable[[TrainState], None] = lambda state: None,
    on_batch: Callable[[TrainState], None] = lambda state: None,
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Mapping[str, Any]:
    """Train a network and write what it comes to.

    A checkpoint lies in the folder while the run lasts. The same call goes on from there, and its
    result is that of a run that was never stopped; of a finished run it returns the result.

    Parameters
    ----------
    config
        Any method's.
    dataset
        `train` is trained on, `minival` scored each epoch, `test` once at the end.
    folder
        New or empty, or that of the same config and data.
    device
        Where to train.
    on_start
        Called once, with the state that the run begins or goes on with.
    on_batch, on_epoch
        Called once a batch or an epoch is learnt.
    should_stop
        Asked after each batch. Where it says so, the run is saved and KeyboardInterrupt raised.

    Returns
    -------
    Mapping
        The content of ``metrics.json``: "config_hash", "dataset" and "fingerprint"; "epoch", the
        reported one, counted from 0; "metrics" by name (`core.evaluation.Evaluation.scalars`); and
        under "absent" why there is no fidelity, where there is none. Beside it lie ``epochs.csv``
        and the files of `core.extractor.artifacts.write_artifacts`.

    Raises
    ------
    ConfigError
        If the config does not suit the data.
    DataError
        If the folder belongs to another run, or the checkpoint is damaged.
    NonFiniteLossError
        If a loss is NaN or infinite.

    Examples
    --------
    >>> result = train_to_folder(preset_config("digits"), dataset, "model")  # doctest: +SKIP
    >>> AttributeExtractor.load("model").predict(images)  # doctest: +SKIP
    """
    run = RunFolder(path=Path(folder), config=config, fingerprint=dataset.fingerprint)
    run.claim()
    if run.is_finished:
        return run.result()
    state = create_state(
        config,
        in_channels=dataset.image_shape[0],
        num_classes=dataset.num_classes,
        device=device,
    )
    rows: list[Row] = []
    saved = run.load(device)
    if saved is not None:
        state.load_state_dict(saved[0])
        rows = saved[1]
    on_start(state)
    last_save = time.monotonic()

    def save() -> None:
        nonlocal last_save
        run.save(state.state_dict(), rows)
        last_save = time.monotonic()

    def after_batch() -> None:
        on_batch(state)
        if should_stop():
            save()
            raise KeyboardInterrupt
        if time.monotonic() - last_save > _SECONDS_BETWEEN_CHECKPOINTS:
            save()

    for result in fit(state, dataset, after_batch=after_batch):
        rows.append(_row(result))
        on_epoch(result)
        if result.is_last:
            save()
    evaluation = evaluate(state.model, state.tree, dataset)
    write_artifacts(run.path, state, evaluation, dataset)
    run.finish(rows, _result(state, evaluation, dataset))
    return run.result()


def _row(result: EpochResult) -> Row:
    row: Row = {"epoch": result.epoch, "minival_accuracy": result.minival_accuracy}
    row |= {f"{name}_loss": value for name, value in result.losses.items()}
    if result.tree is not None:
        row |= {"tree_depth": result.tree.depth, "tree_leaves": result.tree.num_leaves}
    return row | {f"seconds_{part}": value for part, value in result.seconds.items()}


def _result(state: TrainState, evaluation: Evaluation, dataset: Dataset) -> dict[str, Any]:
    absent = {}
    if evaluation.fidelity is None:
        without = "method has no levels" if dataset.attribute_names else "data has no attributes"
        absent["fidelity"] = f"the {without}"
    return {
        "epoch": state.reported_epoch,
        "metrics": dict(evaluation.scalars()),
        "absent": absent,
    }
