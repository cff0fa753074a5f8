"""The Slurm script, with stand-ins for Slurm's commands and real Ray nodes."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.files import ROOT
from tests.cluster.slurm import Allocation
from tests.sweep.command import children, parents, wait_for_epochs

COUNT_NODES = """
import os, ray, sys
from pathlib import Path
ray.init(log_to_driver=False)
alive = [node for node in ray.nodes() if node["Alive"]]
print("nodes", len(alive), "cpus", ray.cluster_resources()["CPU"])
print("folders", sorted({node["ObjectStoreSocketName"].split("/")[2] for node in alive}))
folder = Path(sys.argv[2])
files = [path for path in folder.parent.glob(folder.name + "*/**/*") if path.is_file()]
token = os.environ["RAY_AUTH_TOKEN"].encode()
print("files", len(files) > 10, "with the token", sum(token in f.read_bytes() for f in files))
for name in list(os.environ):
    if name.startswith("RAY_AUTH"):
        del os.environ[name]
sys.stdout.flush()
os.execvp(sys.executable, [sys.executable, "-c", sys.argv[1], os.environ["RAY_ADDRESS"]])
"""

# Takes the place of the process that had the token.
COME_IN_WITHOUT_THE_TOKEN = """
import sys
from ray._raylet import GcsClient
try:
    GcsClient(address=sys.argv[1]).get_all_node_info()
except Exception as error:
    print("refused", str(error))
    sys.exit(7)
"""


@pytest.fixture
def allocation(tmp_path: Path) -> Iterator[Allocation]:
    allocation = Allocation(tmp_path)
    yield allocation
    allocation.clean_up()


@pytest.mark.slow
def test_the_command_finds_every_node_and_its_exit_code_is_the_jobs(
    allocation: Allocation,
) -> None:
    folder = allocation.ray_folder
    job = allocation.submit(
        *("--", sys.executable, "-c", COUNT_NODES, COME_IN_WITHOUT_THE_TOKEN, folder)
    )
    text, _ = job.communicate(timeout=180)
    assert job.returncode == 7, text
    assert "nodes 2 cpus 2.0" in text
    assert f"folders {[f'{folder.name}-node-{one}' for one in 'ab']}" in text
    assert "files True with the token 0" in text
    assert "refused RPC error: InvalidAuthToken" in text, text
    assert allocation.processes() == []
    assert allocation.folders() == []
    steps = allocation.srun_log.read_text().splitlines()
    heads, workers = (
        [step for step in steps if f"ray start --{which}" in step] for which in ("head", "address")
    )
    assert ["node-a" in step for step in heads] == [True]
    assert ["node-b" in step for step in workers] == [True]
    assert all("--block" in step and "--ntasks=1" in step for step in heads + workers)


def wait_for_file(path: Path, job: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
def test_sigterm_reaches_the_driver_and_nothing_of_ray_is_left(
    allocation: Allocation, tmp_path: Path
) -> None:
    job = allocation.submit(
        *(sys.executable, "-m", "tests.sweep.tiny", "--output", tmp_path, "--seeds", "1"),
        *("--set", "num_epochs=2000"),
    )
    try:
        # Before it compiles what is not compiled yet, for which the other wait leaves time.
        wait_for_file(tmp_path / "mlflow.db", job)
        wait_for_epochs(tmp_path, lambda: job.poll() is None, 3)
    except AssertionError as error:
        job.send_signal(signal.SIGTERM)
        error.add_note(job.communicate(timeout=100)[0])
        raise
    job.send_signal(signal.SIGTERM)
    text, _ = job.communicate(timeout=100)
    assert job.returncode == 143, text
    assert "Run the same command again to go on with what is left." in text
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert {run.info.status for run in children(uri)} == {"KILLED"}
    assert [run.info.status for run in parents(uri)] == ["KILLED"]
    assert allocation.processes() == []
    assert allocation.folders() == []


@pytest.mark.slow
def test_a_node_that_does_not_come_ends_the_job_before_the_command(
    allocation: Allocation, tmp_path: Path
) -> None:
    allocation.lost_node, allocation.join_seconds = "node-b", 12
    started = tmp_path / "started"
    job = allocation.submit("touch", started)
    text, _ = job.communicate(timeout=100)
    assert job.returncode == 1, text
    assert "srun: error: node-b does not answer" in text
    assert "only 1 of 2 nodes have joined" in text
    assert not started.exists()
    assert allocation.processes() == []


def test_without_a_command_or_an_allocation_it_is_refused() -> None:
    script = str(ROOT / "cluster" / "slurm.sh")
    for arguments, code, message in (
        ([], 2, "usage: sbatch"),
        (["--"], 2, "usage: sbatch"),
        (["true"], 1, "submit this file with sbatch"),
    ):
        done = subprocess.run(
            ["bash", script, *arguments],
            cwd=ROOT,
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, message in done.stderr) == (code, True), done.stderr
