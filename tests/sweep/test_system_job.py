"""The same file on a running Ray: by --address, and inside `ray job submit`."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sweep.command import ROOT, assert_each_trial_once, children, environment

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
ARGUMENTS = ["--seeds", "1", "--set", "num_epochs=2"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A head node on loopback; gives its address and its dashboard's."""
    port, dashboard = free_port(), free_port()
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    command = [
        *(str(BIN / "ray"), "start", "--head", "--node-ip-address", "127.0.0.1"),
        *("--port", str(port), "--dashboard-host", "127.0.0.1"),
        *("--dashboard-port", str(dashboard), "--disable-usage-stats"),
    ]
    started = subprocess.run(
        command, env=environment(PATH=path), capture_output=True, text=True, timeout=120
    )
    assert started.returncode == 0, started.stdout + started.stderr
    yield f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}"
    subprocess.run([str(BIN / "ray"), "stop", "--force"], capture_output=True, check=True)


def test_by_address(cluster: tuple[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sweep.tiny", "--output", str(tmp_path), *ARGUMENTS]
    done = subprocess.run(
        [*command, "--address", cluster[0]],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_each_trial_once(children(f"sqlite:///{tmp_path / 'mlflow.db'}"), 3)


def test_as_a_submitted_job(cluster: tuple[str, str], tmp_path: Path) -> None:
    command = [
        *(str(BIN / "ray"), "job", "submit", "--address", cluster[1], "--working-dir", "."),
        *("--", "python", "-m", "tests.sweep.tiny", "--dataset", "digits"),
        *("--output", str(tmp_path), *ARGUMENTS),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3/3 done" in done.stdout + done.stderr
    assert_each_trial_once(children(f"sqlite:///{tmp_path / 'mlflow.db'}"), 3)
