"""Nodes that come and go while a sweep runs, as real raylets."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.config import TrainConfig
from sweep.engine.capacity import Capacity, CapacityLimiter
from sweep.engine.drive import ListSearcher
from sweep.engine.placement import Placement
from sweep.tracking.trials import TrialSpec
from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    children,
    environment,
    start,
    wait_for_epochs,
)
from tests.sweep.test_system_job import BIN, free_port

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


class Nodes:
    """Raylets of one CPU each on loopback, as `ray start` makes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        # A short path, for sockets are in it.
        self._ray_folder = tempfile.mkdtemp(prefix="ray-")
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        head = ("--head", "--port", str(port), "--include-dashboard", "false")
        self._start(*head, "--temp-dir", self._ray_folder)

    def add(self) -> subprocess.Popen[bytes]:
        return self._start("--address", self.address)

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """As a machine that is switched off: the raylet first, so that it can tell nobody."""
        (raylet,) = (p for p in psutil.Process(node.pid).children() if p.name() == "raylet")
        workers = raylet.children(recursive=True)
        raylet.kill()
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        node.wait(timeout=60)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(timeout=60)
        shutil.rmtree(self._ray_folder)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        log = self._folder / f"node-{len(self._processes)}.log"
        command = [
            *(str(BIN / "ray"), "start", *arguments, "--node-ip-address", "127.0.0.1", "--block"),
            *("--num-cpus", "1", "--disable-usage-stats"),
            *("--dashboard-agent-listen-port", str(free_port())),
        ]
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        with log.open("w") as printed:
            process = subprocess.Popen(
                command,
                env=environment(PATH=path, **self.variables),
                stdout=printed,
                stderr=printed,
            )
        self._processes.append(process)
        deadline = time.monotonic() + 120
        while "now block forever" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        return process


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    nodes = Nodes(tmp_path)
    yield nodes
    nodes.stop()


def until(holds: Callable[[], bool], process: Any, *, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)


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
    wait_for_epochs(tmp_path, lambda: process.poll() is None, 10)
    nodes.kill(node)
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    assert_each_trial_once(children(uri), 9)
    assert_every_epoch_once(uri, children(uri), EPOCHS)
