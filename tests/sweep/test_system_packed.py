"""A sweep over a packed dataset on a real local Ray, with loader workers in its trials."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from core.data.packed import pack
from core.presets import preset_config
from sweep.cli import main
from sweep.engine.data import DataPlaces
from sweep.engine.trial import TrialRun, TrialSettings
from sweep.tracking import metrics
from tests.core.data.packing import make_archive
from tests.sweep import tiny
from tests.sweep.command import assert_each_trial_once, assert_every_epoch_once, call, children

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
    assert "Preset 'cub': trunk=pmg:resnet50, weights=hub, resize_size=550" in text
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
