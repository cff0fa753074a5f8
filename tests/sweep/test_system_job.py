"""The same file on a running Ray: by --address, and inside `ray job submit`."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ports import free_port
from tests.sweep.command import (
    ROOT,
    assert_each_trial_once,
    children,
    environment,
    parents,
    wait_for_epochs,
)
from tests.sweep.raylets import BIN

pytestmark = pytest.mark.slow

ARGUMENTS = ["--seeds", "1", "--set", "num_epochs=2"]


class Cluster(NamedTuple):
    address: str
    dashboard: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head node on loopback that asks for a token."""
    port, dashboard = free_port(), free_port()
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    # A folder of its own, where Ray also notes the address that any other `ray.init()` would try;
    # a short path, for sockets are in it.
    folder = tempfile.mkdtemp(prefix="ray-")
    command = [
        *(str(BIN / "ray"), "start", "--head", "--node-ip-address", "127.0.0.1", "--block"),
        *("--port", str(port), "--dashboard-host", "127.0.0.1", "--temp-dir", folder),
        *("--dashboard-port", str(dashboard), "--disable-usage-stats"),
    ]
    log = token.with_name("log")
    with log.open("w") as printed:
        head = subprocess.Popen(
            command, env=environment(PATH=path, **variables), stdout=printed, stderr=printed
        )
    deadline = time.monotonic() + 120
    while "now block forever" not in log.read_text():
        assert head.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    yield Cluster(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", environment(**variables))
    # It stops what it started. `ray stop` would stop every Ray of this machine.
    head.terminate()
    head.wait(timeout=60)
    shutil.rmtree(folder)


def test_by_address(cluster: Cluster, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sweep.tiny", "--output", str(tmp_path), *ARGUMENTS]
    done = subprocess.run(
        [*command, "--address", cluster.address],
        cwd=ROOT,
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_each_trial_once(children(f"sqlite:///{tmp_path / 'mlflow.db'}"), 3)


def test_as_a_submitted_job(cluster: Cluster, tmp_path: Path) -> None:
    command = [
        *(str(BIN / "ray"), "job", "submit", "--address", cluster.dashboard, "--working-dir", "."),
        *("--", "python", "-m", "tests.sweep.tiny", "--dataset", "digits"),
        *("--output", str(tmp_path), *ARGUMENTS),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=cluster.environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3/3 done" in done.stdout + done.stderr
    assert_each_trial_once(children(f"sqlite:///{tmp_path / 'mlflow.db'}"), 3)


def test_a_stopped_job_leaves_nothing_running(cluster: Cluster, tmp_path: Path) -> None:
    """`ray job stop` sends SIGTERM and, three seconds later, SIGKILL."""
    ray_job = [str(BIN / "ray"), "job"]
    address = ["--address", cluster.dashboard]
    command = [
        *(*ray_job, "submit", *address, "--working-dir", ".", "--no-wait"),
        *("--submission-id", "to-be-stopped", "--", "python", "-m", "tests.sweep.tiny"),
        *("--output", str(tmp_path), "--seeds", "1", "--set", "num_epochs=2000"),
    ]

    def run(command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=cluster.environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run(command)
    wait_for_epochs(tmp_path, lambda: True, 5)
    run([*ray_job, "stop", *address, "to-be-stopped"])
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert {run.info.status for run in children(uri)} == {"KILLED"}
    assert [run.info.status for run in parents(uri)] == ["KILLED"]
    logs = run([*ray_job, "logs", *address, "to-be-stopped"])
    assert "Run the same command again to go on with what is left." in logs
