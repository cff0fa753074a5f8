"""The same trial in a reused Tune actor and in Ray Train worker groups, on a real local Ray."""

import functools
from pathlib import Path

import pytest

from sweep.cli import main
from sweep.tracking import metrics
from tests.sweep import single
from tests.sweep.command import call, children

pytestmark = pytest.mark.slow

EPOCHS = 3
ARGUMENTS = ("--seeds", "1", "--set", f"num_epochs={EPOCHS}", "--set", "trunk_norm=group")
EXACT = [metrics.final(key) for key in metrics.EPOCH_METRICS if not key.startswith("seconds")]


def final(output: Path, *arguments: str) -> dict[str, float]:
    command = functools.partial(main, single.EXPERIMENT)
    code, text = call(command, "--output", output, *ARGUMENTS, *arguments)
    assert code == 0, text
    (child,) = children(f"sqlite:///{output / 'mlflow.db'}", "single")
    assert child.data.metrics[metrics.SYSTEM_MEMORY] > 50, "megabytes of the worker"
    assert 0 < child.data.metrics[metrics.SYSTEM_CPU] < 400, "percent of one CPU"
    return {key: child.data.metrics[key] for key in EXACT}


def test_all_executors_agree(tmp_path: Path) -> None:
    actor = final(tmp_path / "actor", "--executor", "actor")
    train = final(tmp_path / "train", "--executor", "train")
    assert actor == train
    assert not list(tmp_path.rglob("ray-train")), "what Train keeps of its runs is of no use"
    two = final(tmp_path / "two", "--workers-per-trial", "2")
    # Sums over two workers round differently, and a level may flip: close, not equal.
    for key in (metrics.LABEL_LOSS, metrics.TREE_LOSS):
        name = metrics.final(key)
        assert two[name] == pytest.approx(actor[name], rel=0.02), key
