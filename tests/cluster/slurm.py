"""Stand-ins for Slurm's commands, which start on this machine what Slurm would start on nodes."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.cluster.files import ROOT
from tests.ports import free_port
from tests.sweep.command import environment

BIN = Path(sys.executable).parent

# A node has a disk of its own: what is to lie in $RAY_FOLDER lies in $RAY_FOLDER-NODE.
SRUN = """\
#!/usr/bin/env bash
echo "$*" >>"$SRUN_LOG"
while [[ $1 == --* ]]; do
  [[ $1 != --nodelist=* ]] || node=${1#*=}
  shift
done
[[ $node != "$LOST_NODE" ]] || { echo "srun: error: $node does not answer" >&2; exit 1; }
exec "${@//$RAY_FOLDER/$RAY_FOLDER-$node}"
"""

SCONTROL = """\
#!/usr/bin/env bash
[[ "$1 $2" == "show hostnames" ]] || exit 1
tr , '\\n' <<<"$3"
"""

GETENT = """\
#!/usr/bin/env bash
[[ "$1" == ahostsv4 && "$2" == node-? ]] || exit 2
echo "127.0.0.1       STREAM $2"
"""


@dataclass
class Allocation:
    """Two nodes of one CPU each, as a job of Slurm finds them."""

    folder: Path
    lost_node: str = ""
    join_seconds: int = 120
    job: str = field(default_factory=lambda: str(free_port()))

    def __post_init__(self) -> None:
        self._sessions: set[int] = set()
        self.commands = self.folder / "bin"
        self.commands.mkdir()
        for name, content in (("srun", SRUN), ("scontrol", SCONTROL), ("getent", GETENT)):
            command = self.commands / name
            command.write_text(content)
            command.chmod(0o755)
        self.srun_log = self.folder / "srun.log"
        # A short path, for sockets lie in it.
        self.ray_folder = Path(tempfile.gettempdir(), f"ray-{self.job}")

    def submit(self, *command: str | Path) -> subprocess.Popen[str]:
        """Run the script as sbatch does: on the first node, with the submitter's environment."""
        variables = {
            "PATH": f"{self.commands}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}",
            "SLURM_JOB_ID": self.job,
            "SLURM_JOB_NODELIST": "node-a,node-b",
            "SLURM_CPUS_PER_TASK": "1",
            "PORT": str(free_port()),
            "RAY_FOLDER": str(self.ray_folder),
            "JOIN_SECONDS": str(self.join_seconds),
            "SRUN_LOG": str(self.srun_log),
            "LOST_NODE": self.lost_node,
        }
        script = self.folder / "slurm_script"  # Slurm runs a copy
        script.write_text((ROOT / "cluster" / "slurm.sh").read_text())
        job = subprocess.Popen(
            ["bash", str(script), *map(str, command)],
            cwd=ROOT,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._sessions.add(job.pid)
        return job

    def processes(self) -> list[psutil.Process]:
        """All processes of the job that run: Ray's workers write over their environment."""
        return [process for process in psutil.process_iter() if self._has(process)]

    def _has(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) in self._sessions:
                return process.status() != psutil.STATUS_ZOMBIE
            return process.environ().get("SLURM_JOB_ID") == self.job
        return False

    def folders(self) -> list[Path]:
        """What is left on the nodes' disks."""
        return sorted(self.ray_folder.parent.glob(f"{self.ray_folder.name}*"))

    def clean_up(self) -> None:
        """End what a failed test left."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for folder in self.folders():
            shutil.rmtree(folder)
