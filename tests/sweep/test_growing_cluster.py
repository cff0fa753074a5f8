"""Nodes that come and go while a sweep runs, as real raylets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import TrainConfig
from sweep.engine.capacity import Capacity, CapacityLimiter
from sweep.engine.placement import Placement
from sweep.engine.suggestions import ListSearcher
from sweep.tracking.trials import TrialSpec
from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    children,
    start,
    until,
    wait_for_epochs,
)
from tests.sweep.raylets import Nodes

EPOCHS = 60


def test_the_limit_follows_what_the_cluster_has(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("sweep.engine.capacity.time.monotonic", lambda: clock[0])
    resources = {"CPU": 1.0}
    trials = [
        TrialSpec(arms=("a",), config=TrainConfig(seed=seed), dataset_fingerprint="f")
        for seed in range(9)
    ]
    limiter = CapacityLimiter(
        ListSearcher(TrainConfig(), trials), Capacity(Placement(), lambda: resources)
    )
    assert limiter.suggest("0") is not None
    assert limiter.suggest("1") is None
    resources["CPU"] = 3.0
    clock[0] += 2
    assert [limiter.suggest(str(number)) is not None for number in (1, 2, 3)] == [True, True, False]
    resources["CPU"] = 0.0
    clock[0] += 2
    limiter.on_trial_complete("0")
    assert limiter.suggest("3") is None
    limiter.on_trial_complete("1")
    limiter.on_trial_complete("2")
    assert limiter.suggest("3") is not None, "one waits for a node to come"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    nodes = Nodes(tmp_path)
    yield nodes
    nodes.stop()


@pytest.mark.slow
def test_a_sweep_uses_nodes_that_come_and_outlives_those_that_go(
    nodes: Nodes, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    process = start(
        *("tests.sweep.tiny", "--output", tmp_path, "--seeds", "3"),
        *("--set", f"num_epochs={EPOCHS}", "--retries", "3", "--wait-for-nodes"),
        *("--address", nodes.address),
        **nodes.variables,
    )

    def num_running() -> int:
        return sum(child.info.status == "RUNNING" for child in children(uri))

    wait_for_epochs(tmp_path, lambda: process.poll() is None, 1)
    assert num_running() == 1
    node = nodes.add()
    until(lambda: num_running() == 2, process)
    asked = start(
        *("sweep.status", "tiny", "--output", tmp_path, "--address", nodes.address),
        **nodes.variables,
    )
    said, _ = asked.communicate(timeout=60)
    assert asked.returncode == 0, said
    assert f"cluster {nodes.address}: 2 nodes · 2 of 2 CPUs taken\n" in said
    assert "2 running" in said
    wait_for_epochs(tmp_path, lambda: process.poll() is None, 10)
    nodes.kill(node)
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    assert_each_trial_once(children(uri), 9)
    assert_every_epoch_once(uri, children(uri), EPOCHS)
