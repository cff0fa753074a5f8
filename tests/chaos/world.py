"""Everything that a sweep on a cloud runs on, as real processes on loopback.

Ray nodes with a token, an S3 server for checkpoints and artifacts, and MLflow on PostgreSQL.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from pyarrow import fs

from tests.ports import answers, free_port
from tests.postgres import postgres_server
from tests.s3 import CREDENTIALS, S3Server, s3_process
from tests.small_disk import small_disk
from tests.sweep.raylets import Nodes

BUCKET = "sweeps"
_DISK_MEGABYTES = 200


class World:
    """Servers that can be taken away and brought back.

    Attributes
    ----------
    folder
        Of logs.
    variables
        What nodes and drivers have in their environment.
    nodes
        The cluster: a head without CPUs.
    tracking_uri
        Of the MLflow server.
    storage
        Of the trials' checkpoints.
    postgres
        Of MLflow's database.
    disk
        What that database lies on, if it is a small one that can be filled.
    """

    storage = f"s3://{BUCKET}/trials"

    def __init__(
        self,
        folder: Path,
        *,
        s3: S3Server,
        postgres: str,
        disk: Path | None = None,
        takes_jobs: bool = False,
    ) -> None:
        self.folder = folder
        self.postgres = postgres
        self.disk = disk
        self._mlflow: subprocess.Popen[bytes] | None = None
        self._s3 = s3
        endpoint = f"http://127.0.0.1:{s3.port}"
        self.variables = {
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
        }
        self._mlflow_port = free_port()
        self.tracking_uri = f"http://127.0.0.1:{self._mlflow_port}"
        self.files().create_dir(BUCKET)
        self.start_mlflow()
        self.nodes = Nodes(folder, head_cpus=0, takes_jobs=takes_jobs, **self.variables)

    def files(self) -> fs.FileSystem:
        """What the S3 server has."""
        return fs.S3FileSystem(
            access_key=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            secret_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=f"127.0.0.1:{self._s3.port}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )

    def start_mlflow(self) -> None:
        """On the database and the bucket that were there before."""
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(self._mlflow_port), "--workers", "1"),
            *("--artifacts-destination", f"s3://{BUCKET}/mlflow"),
        ]
        with (self.folder / "mlflow.log").open("a") as printed:
            self._mlflow = subprocess.Popen(
                command,
                env=os.environ | self.variables | {"MLFLOW_BACKEND_STORE_URI": self.postgres},
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
        deadline = time.monotonic() + 300  # its imports may have to be read anew
        while not answers(self._mlflow_port):
            assert self._mlflow.poll() is None, (self.folder / "mlflow.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def mlflow_processes(self) -> list[psutil.Process]:
        """Of the server."""
        assert self._mlflow is not None
        process = psutil.Process(self._mlflow.pid)
        return [process, *process.children(recursive=True)]

    def stop_mlflow(self) -> None:
        """At once, as a machine that is switched off."""
        assert self._mlflow is not None
        os.killpg(self._mlflow.pid, signal.SIGKILL)
        self._mlflow.wait()
        self._mlflow = None

    def stop_s3(self) -> None:
        """It hangs, as a network that loses all: what it holds must outlive this."""
        self._s3.process.send_signal(signal.SIGSTOP)

    def start_s3(self) -> None:
        """It answers again."""
        self._s3.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.nodes.stop()
        if self._mlflow is not None:
            self.stop_mlflow()


@contextmanager
def world(folder: Path, *, takes_jobs: bool = False, has_disk: bool = False) -> Iterator[World]:
    """A world for a block; its head may take jobs, and its database have a disk of its own."""
    with ExitStack() as stack:
        s3 = stack.enter_context(s3_process())
        disk = stack.enter_context(small_disk(_DISK_MEGABYTES)) if has_disk else None
        postgres = stack.enter_context(postgres_server(folder, home=disk))
        made = World(folder, s3=s3, postgres=postgres, disk=disk, takes_jobs=takes_jobs)
        stack.callback(made.close)
        yield made
