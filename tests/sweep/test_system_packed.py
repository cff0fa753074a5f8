"""A sweep over a packed dataset on a real local Ray, with loader workers in its trials."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.config import TrainConfig, preset_config
from core.data import load_dataset
from core.data.packed import pack
from sweep.cli import EXIT_REFUSED, Experiment, main
from sweep.engine.data import DataPlaces
from sweep.engine.trial import TrialRun, TrialSettings
from sweep.spec import SweepSpec, cross
from sweep.tracking import metrics
from tests.core.data.packing import make_archive
from tests.sweep import tiny
from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    call,
    children,
    parents,
)

pytestmark = pytest.mark.slow

EPOCHS = 2
SETTINGS: dict[str, Any] = {
    "trunk": "conv",
    "weights": None,
    "resize_size": 24,
    "crop_size": 16,
    "num_epochs": EPOCHS,
}
EXACT = [metrics.final(key) for key in metrics.EPOCH_METRICS if not key.startswith("seconds")]


def alone(config: Any, root: Path, storage: Path) -> dict[str, float]:
    """Final metrics of a trial in this process, which decodes for itself."""
    settings = TrialSettings(
        base=config.to_dict(),
        sweep_id="alone",
        storage=str(storage),
        data=DataPlaces(paths={"cub": str(root)}),
    )
    run = TrialRun(config, settings)
    progress = run.advance()
    while not progress.done:
        progress = run.advance()
    return progress.final


def test_a_sweep_over_a_packed_dataset(tmp_path: Path) -> None:
    root, output = tmp_path / "cub", tmp_path / "out"
    pack(make_archive(tmp_path, 60, name="cub"), root, num_workers=1)
    arguments = [f"--{key}={value}" for key, value in (("dataset", "cub"), ("data", root))]
    arguments += [f"--set={key}={json.dumps(value)}" for key, value in SETTINGS.items()]
    arguments += ["--seeds=1", "--loader-workers=1", f"--output={output}", "--max-concurrent=1"]
    command = functools.partial(main, tiny.EXPERIMENT)

    code, text = call(command, *arguments)
    assert code == 0, text
    assert "Preset 'cub': augmentation=crop_flip\n--set: trunk=conv" in text
    store = f"sqlite:///{output / 'mlflow.db'}"
    runs = children(store)
    assert_each_trial_once(runs, 3)
    assert_every_epoch_once(store, runs, EPOCHS)

    base = preset_config("cub").replace({**SETTINGS, **tiny.TINY})
    trials = tiny.build(base, range(1)).trials()
    swept = {run.data.tags[metrics.TAG_CONFIG_HASH]: run.data.metrics for run in runs}
    final = alone(trials[-1].config, root, tmp_path / "alone")
    for key in EXACT:
        assert swept[trials[-1].hash].get(key) == final.get(key), key

    code, text = call(command, *arguments)
    assert code == 0
    assert "3 trials were finished before" in text


def over_data(base: TrainConfig, seeds: Sequence[int]) -> SweepSpec:
    return SweepSpec(
        name="over_data",
        title="over data",
        base=base.replace(tiny.TINY),
        arms=cross(
            {"ours": {}, "quantized": {"tree_weight": 0.0, "sparsity_weight": 0.0}},
            {
                "digits": {"dataset": "digits"},
                "small": {"dataset": "cub", "resize_size": 20, "crop_size": 16},
                "large": {"dataset": "cub", "resize_size": 24, "crop_size": 16},
            },
        ),
        seeds=seeds,
    )


def test_a_sweep_over_data_sets_and_sizes(tmp_path: Path) -> None:
    """Each trial has its own data, fingerprint and floor; other data is another trial."""
    first, second, output = tmp_path / "first", tmp_path / "second", tmp_path / "out"
    pack(make_archive(tmp_path / "a", 60, name="cub"), first, num_workers=1)
    pack(make_archive(tmp_path / "b", 66, name="cub"), second, num_workers=1)
    experiment = Experiment(description="", build=over_data, report=tiny.report)
    command = functools.partial(main, experiment)
    arguments = [f"--set=num_epochs={EPOCHS}", "--seeds=1", f"--output={output}"]

    code, text = call(command, *arguments)
    assert code == EXIT_REFUSED
    assert "`data` must say where 'cub' was packed" in text

    code, text = call(command, *arguments, f"--data=cub={first}", "--loader-workers=1")
    assert code == 0, text
    store = f"sqlite:///{output / 'mlflow.db'}"
    runs = children(store, "over_data")
    assert_each_trial_once(runs, 6)
    fingerprints = {
        (run.data.params["dataset"], run.data.tags[metrics.TAG_DATASET_FINGERPRINT]) for run in runs
    }
    shown = {(run.inputs.dataset_inputs[0].dataset.name) for run in runs}
    assert shown == {"digits", "cub"}
    digits = load_dataset("digits").fingerprint
    assert ("digits", digits) in fingerprints
    assert {name for name, _ in fingerprints} == {"digits", "cub"}
    floors = {
        (run.data.params["dataset"], run.data.metrics[metrics.final(metrics.FIDELITY_FLOOR)])
        for run in runs
    }
    assert len({floor for name, floor in floors if name == "digits"}) == 1
    assert len({floor for _, floor in floors}) > 1

    code, text = call(command, *arguments, f"--data=cub={second}")
    assert code == 0, text
    assert "2 trials were finished before" in text, "those on digits"
    runs = children(store, "over_data")
    assert len(runs) == 2 + 4 + 4
    assert len(parents(store, "over_data")) == 1
    rows = (output / "over_data" / "table.csv").read_text().splitlines()
    assert len(rows) == 1 + 6
