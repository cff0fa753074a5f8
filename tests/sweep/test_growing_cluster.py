"""Nodes that come and go while a sweep runs, as real raylets."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from core.config import TrainConfig
from sweep.engine.capacity import Capacity, CapacityLimiter
from sweep.engine.drive import ListSearcher
from sweep.engine.placement import Placement
from sweep.tracking.trials import TrialSpec
from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    children,
    start,
    wait_for_epochs,
)

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
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield cluster
    cluster.shutdown()


def until(holds: Callable[[], bool], process: Any, *, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
def test_a_sweep_uses_nodes_that_come_and_outlives_those_that_go(
    cluster: Cluster, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    process = start(
        *("tests.sweep.tiny", "--output", tmp_path, "--seeds", "3"),
        *("--set", f"num_epochs={EPOCHS}", "--retries", "3", "--wait-for-nodes"),
        *("--address", cluster.address),
    )

    def num_running() -> int:
        return sum(child.info.status == "RUNNING" for child in children(uri))

    wait_for_epochs(tmp_path, lambda: process.poll() is None, 1)
    assert num_running() == 1
    node = cluster.add_node(num_cpus=1)
    until(lambda: num_running() == 2, process)
    wait_for_epochs(tmp_path, lambda: process.poll() is None, 10)
    cluster.remove_node(node, allow_graceful=False)
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    assert_each_trial_once(children(uri), 9)
    assert_every_epoch_once(uri, children(uri), EPOCHS)
