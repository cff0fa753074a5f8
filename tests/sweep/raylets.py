"""Nodes on loopback, as real `ray start` makes them."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.ports import free_port
from tests.sweep.command import environment

BIN = Path(sys.executable).parent


class Nodes:
    """A head and raylets that join it; they ask for a token."""

    def __init__(
        self, folder: Path, *, head_cpus: int = 1, takes_jobs: bool = False, **variables: str
    ) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), **variables}
        # A short path, for sockets are in it.
        self._ray_folder = tempfile.mkdtemp(prefix="ray-")
        self._port, self._head_cpus, self._dashboard_port = free_port(), head_cpus, free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.dashboard = f"http://127.0.0.1:{self._dashboard_port}"
        """Where jobs are submitted, if the head takes any."""

        self._takes_jobs = takes_jobs
        self.head = self._start_head()

    def add(
        self, *, cpus: int = 1, drain_seconds: int = 0, **variables: str
    ) -> subprocess.Popen[bytes]:
        """A node more. SIGTERM drains it first, for so long."""
        variables["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = str(drain_seconds)
        return self._start("--address", self.address, cpus=cpus, **variables)

    def restart_head(self) -> None:
        """A new head under the old address, and no node yet: those of a lost head end."""
        for process in self._processes:
            self.kill(process)
        self.head = self._start_head()

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """As a machine that is switched off: nothing of it can tell anybody."""
        with suppress(psutil.NoSuchProcess):
            parts = psutil.Process(node.pid).children(recursive=True)
            node.kill()
            # The raylet first.
            for part in sorted(parts, key=lambda part: part.name() != "raylet"):
                with suppress(psutil.NoSuchProcess):
                    part.kill()
        node.wait(timeout=60)

    @property
    def workers(self) -> list[subprocess.Popen[bytes]]:
        """The nodes that live, but the head."""
        return [p for p in self._processes if p is not self.head and p.poll() is None]

    def processes(self) -> list[psutil.Process]:
        """All that run on the nodes that live."""
        found = []
        for node in self._processes:
            with suppress(psutil.NoSuchProcess):
                found += psutil.Process(node.pid).children(recursive=True)
        return found

    def wait(self, node: subprocess.Popen[bytes]) -> None:
        """Until a node that was told to end has ended."""
        node.wait(timeout=90)

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(timeout=60)
        shutil.rmtree(self._ray_folder)

    def _start_head(self) -> subprocess.Popen[bytes]:
        head = ("--head", "--port", str(self._port))
        dashboard = (
            ("--dashboard-host", "127.0.0.1", "--dashboard-port", str(self._dashboard_port))
            if self._takes_jobs
            else ("--include-dashboard", "false")
        )
        return self._start(*head, *dashboard, "--temp-dir", self._ray_folder, cpus=self._head_cpus)

    def _start(self, *arguments: str, cpus: int, **variables: str) -> subprocess.Popen[bytes]:
        log = self._folder / f"node-{len(self._processes)}.log"
        command = [
            *(str(BIN / "ray"), "start", *arguments, "--node-ip-address", "127.0.0.1", "--block"),
            *("--num-cpus", str(cpus), "--disable-usage-stats"),
            *("--dashboard-agent-listen-port", str(free_port())),
        ]
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        with log.open("w") as printed:
            process = subprocess.Popen(
                command,
                env=environment(PATH=path, **self.variables, **variables),
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
