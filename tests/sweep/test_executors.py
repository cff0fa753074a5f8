"""The same trial in a reused Tune actor and in Ray Train worker groups, on a real local Ray."""

from pathlib import Path

import pytest

from core.config import TrainConfig
from sweep import metrics
from tests.sweep.command import children, run
from tests.sweep.tiny import TINY

pytestmark = pytest.mark.slow

EPOCHS = 3
ARGUMENTS = ("--seeds", "1", "--set", f"num_epochs={EPOCHS}")
EXACT = [metrics.final(key) for key in metrics.EPOCH_METRICS if not key.startswith("seconds")]


def finals(output: Path, *arguments: str) -> dict[str, dict[str, float]]:
    code, text = run("tests.sweep.tiny", "--output", output, *ARGUMENTS, *arguments)
    assert code == 0, text
    runs = children(f"sqlite:///{output / 'mlflow.db'}")
    return {
        run.data.tags[metrics.TAG_ARM]: {k: v for k, v in run.data.metrics.items() if k in EXACT}
        for run in runs
    }


def test_all_executors_agree(tmp_path: Path) -> None:
    actor = finals(tmp_path / "actor", "--executor", "actor")
    train = finals(tmp_path / "train", "--executor", "train")
    assert len(actor) == 3
    assert actor == train
    two = finals(tmp_path / "two", "--workers-per-trial", "2")
    assert two.keys() == actor.keys()
    for arm, values in actor.items():
        # Sums over two workers round differently, and a level may flip: close, not equal.
        for key in (metrics.LABEL_LOSS, metrics.SPARSITY_LOSS):
            name = metrics.final(key)
            assert two[arm][name] == pytest.approx(values[name], rel=0.05), (arm, key)


def test_a_trunk_with_batch_statistics_is_refused_on_several_cpu_workers(tmp_path: Path) -> None:
    arguments = (*ARGUMENTS, "--workers-per-trial", "2")
    code, text = run("tests.sweep.batchnorm", "--output", tmp_path, *arguments)
    assert code == 1
    assert "use `trunk_norm='group'`, or one worker" in text


def test_tiny_needs_no_batch_statistics() -> None:
    assert TrainConfig.from_dict(TINY).trunk_norm == "group"
