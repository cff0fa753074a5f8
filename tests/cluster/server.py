"""The MLflow server as `mlflow-server.sh` starts it."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

from tests.cluster.files import ROOT

_SCRIPT = ROOT / "cluster" / "mlflow-server.sh"
_LISTENING = "0A"


@dataclass(frozen=True)
class Server:
    port: int
    home: Path
    artifacts: str

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {"MLFLOW_PORT": str(self.port), "MLFLOW_HOME": str(self.home)}
        return run(*options, self.artifacts, **own, **environment)

    def pid(self) -> int:
        return int((self.home / "server.pid").read_text())

    def processes(self) -> list[psutil.Process]:
        server = psutil.Process(self.pid())
        return [server, *server.children(recursive=True)]

    def stop(self) -> None:
        """As cluster/README.md says, and until all of it is gone."""
        processes = self.processes()
        os.killpg(self.pid(), signal.SIGTERM)
        _, alive = psutil.wait_procs(processes, timeout=30)
        assert not alive


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    beside_python = Path(sys.executable).parent
    return subprocess.run(
        ["bash", str(_SCRIPT), *arguments],
        env={**os.environ, "PATH": f"{beside_python}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
    )


def listening_addresses(port: int) -> set[str]:
    """Local addresses that listen on a port, as the kernel lists them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, _, state = line.split()[1:4]
            address, hex_port = local.split(":")
            if state == _LISTENING and int(hex_port, 16) == port:
                found.add(address)
    return found


def status_of(request: Request) -> int:
    try:
        with urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as refusal:
        with refusal:
            return int(refusal.code)
