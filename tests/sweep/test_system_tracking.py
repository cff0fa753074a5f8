"""MLflow under load and outage: real stores, and a real server that is killed and started again."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from mlflow.tracking import MlflowClient

from core.config import TrainConfig
from sweep import ablation_p
from sweep.report.__main__ import main as report_command
from sweep.tracking import metrics
from sweep.tracking.connect import connect
from sweep.tracking.plan import Plan
from sweep.tracking.rows import EpochRow
from sweep.tracking.store import TrialStore
from sweep.tracking.trials import TrialSpec
from sweep.tracking.writer import SweepRuns
from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    children,
    environment,
    start,
)
from tests.sweep.results import store_sweep

OUTAGE_SECONDS = 10
FINGERPRINT = "f" * 64


class Server:
    """An MLflow server on loopback that can be killed and started again on the same store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(self.port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{self._folder / 'server.db'}"),
            *("--artifacts-destination", str(self._folder / "artifacts")),
        ]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment(), start_new_session=True
            )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                with urlopen(f"{self.uri}/health", timeout=2):
                    return
            except (URLError, OSError):
                time.sleep(0.2)
        raise TimeoutError((self._folder / "server.log").read_text()[-2000:])

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


PLAN = Plan(name="tiny", title="t", base={}, arms=(), seeds=(0,), trials=())


def row(epoch: int) -> EpochRow:
    values = dict.fromkeys(metrics.EPOCH_METRICS, float(epoch))
    return EpochRow(epoch=epoch, timestamp_ms=1_000_000 + epoch, values=values)


def final_row() -> dict[str, float]:
    return dict.fromkeys(metrics.FINAL_METRICS, 1.0)


def write_trial(runs: SweepRuns, trial: TrialSpec, storage: Path, num_epochs: int) -> None:
    store = TrialStore.of(str(storage), "s", trial.hash, FINGERPRINT)
    artifact = storage / f"{trial.hash}.txt"
    artifact.write_text("tree")
    folder = storage / f"from-{trial.hash}"
    folder.mkdir()
    artifact.rename(folder / "tree.txt")
    store.put_artifacts(folder)
    runs.trial_started(trial)
    for epoch in range(num_epochs):
        runs.trial_rows(trial.hash, [row(epoch)])
    runs.trial_finished(trial.hash, final_row(), store)


def test_sixteen_trials_finishing_at_once_lose_no_metric(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client, experiment = connect(uri, "intersection-regularization", artifact_root=tmp_path / "a")
    trials = [
        TrialSpec(arms=("a",), config=TrainConfig(seed=seed), dataset_fingerprint=FINGERPRINT)
        for seed in range(16)
    ]
    with SweepRuns(
        client, experiment, sweep_id="s", plan=PLAN, tags={metrics.TAG_SWEEP: "tiny"}
    ) as runs:
        threads = [
            threading.Thread(target=write_trial, args=(runs, trial, tmp_path, 10))
            for trial in trials
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stored = children(uri)
    assert_each_trial_once(stored, 16)
    assert_every_epoch_once(uri, stored, 10)
    assert all(set(metrics.FINAL_METRICS) <= set(run.data.metrics) for run in stored)


def test_writing_the_same_again_doubles_nothing(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    trial = TrialSpec(arms=("a",), config=TrainConfig(), dataset_fingerprint=FINGERPRINT)
    for attempt in range(2):
        client, experiment = connect(
            uri, "intersection-regularization", artifact_root=tmp_path / "a"
        )
        storage = tmp_path / f"storage{attempt}"
        storage.mkdir()
        with SweepRuns(
            client, experiment, sweep_id="s", plan=PLAN, tags={metrics.TAG_SWEEP: "tiny"}
        ) as runs:
            write_trial(runs, trial, storage, 3)
    stored = children(uri)
    assert_each_trial_once(stored, 1)
    assert_every_epoch_once(uri, stored, 3)
    history = MlflowClient(tracking_uri=uri).get_metric_history(
        stored[0].info.run_id, metrics.final(metrics.TEST_ACCURACY)
    )
    assert len(history) == 1


@pytest.mark.slow
def test_a_server_away_for_a_while_loses_nothing_and_fails_no_trial(
    server: Server, tmp_path: Path
) -> None:
    num_epochs = 60
    process = start(
        *("tests.sweep.tiny", "--output", tmp_path / "out", "--tracking-uri", server.uri),
        *("--seeds", "1", "--set", f"num_epochs={num_epochs}"),
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not children(server.uri):
        time.sleep(0.5)
    server.kill()
    time.sleep(OUTAGE_SECONDS)
    assert process.poll() is None, "the sweep must still be there"
    server.start()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "MLflow is away, " in output
    runs = children(server.uri)
    assert_each_trial_once(runs, 3)
    assert_every_epoch_once(server.uri, runs, num_epochs)


def test_reports_are_the_same_from_a_server(server: Server, tmp_path: Path) -> None:
    """Its artifacts come over HTTP, so nothing but the address is shared with whoever ran it."""
    spec = ablation_p.build(TrainConfig(), range(2))
    stores = (server.uri, f"sqlite:///{tmp_path / 'mlflow.db'}")
    written = []
    for name, uri in zip(("server", "file"), stores, strict=True):
        artifacts = tmp_path / "a" if name == "file" else None
        store_sweep(uri, tmp_path / name, spec, artifact_root=artifacts)
        output = tmp_path / "reports" / name
        assert report_command(["ablation_p", "--tracking-uri", uri, "--output", str(output)]) == 0
        written.append({path.name: path.read_bytes() for path in (output / "ablation_p").iterdir()})
    assert len(written[0]) == 8
    assert written[0] == written[1]
