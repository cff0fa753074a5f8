"""A sweep that is driven through faults: its command, and what its stores hold of it."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from pyarrow import fs

from sweep.tracking import metrics
from tests.chaos.sweep import NUM_EPOCHS
from tests.chaos.world import World
from tests.sweep.command import ACTORS, ROOT, environment, start
from tests.sweep.raylets import BIN

CHECKPOINT_SECONDS = 3
LATE_SECONDS = 5.0
"""What a checkpoint may be late by: the batch and the evaluation in between, on a busy machine, and
the whole seconds in which the storage tells its time."""

TRIALS = (*ACTORS, "ray::RayTrainWorker")


class Driven:
    """The same command, given as often as it takes.

    Parameters
    ----------
    world
        What it runs on.
    output
        Folder of its report.
    num_seeds
        Of two trials each.
    arguments
        More of the command's.
    submitted
        Whether it is given to `ray job submit`; the driver then runs on the head.
    """

    def __init__(
        self,
        world: World,
        output: Path,
        num_seeds: int,
        arguments: list[str],
        *,
        submitted: bool = False,
    ) -> None:
        self.world = world
        self.submitted = submitted
        self._num_starts = 0
        self.output = output
        self.num_trials = 2 * num_seeds
        self._arguments = [
            *("--output", str(output), "--tracking-uri", world.tracking_uri),
            *("--storage", world.storage, "--wait-for-nodes"),
            *("--seeds", str(num_seeds), "--retries", "100", "--max-concurrent", "4"),
            *("--checkpoint-seconds", str(CHECKPOINT_SECONDS), *arguments),
        ]
        self._logs: list[str] = []
        self.driver = self._start()

    def again(self) -> None:
        """Give the command again; the driver of before has ended."""
        self.end()
        self.driver = self._start()

    def end(self, seconds: float = 60) -> int:
        """Wait for the driver's end; return its exit code."""
        text, _ = self.driver.communicate(timeout=seconds)
        self._logs.append(text)
        code: int = self.driver.returncode
        return code

    @property
    def log(self) -> str:
        return "\n".join(self._logs)

    @property
    def is_over(self) -> bool:
        return self.driver.poll() is not None

    def epochs(self, status: str | None = None) -> dict[str, int]:
        """Epochs of each trial in the database, by run; of one status, if it is given."""
        query = (
            "SELECT runs.run_uuid, runs.status, COUNT(metrics.step) FROM runs "
            "JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = %s "
            "LEFT JOIN metrics ON metrics.run_uuid = runs.run_uuid AND metrics.key = %s "
            "GROUP BY runs.run_uuid, runs.status"
        )
        with psycopg.connect(self.world.postgres) as connection:
            rows = connection.execute(
                query, (metrics.TAG_CONFIG_HASH, metrics.MINIVAL_ACCURACY)
            ).fetchall()
        return {run: count for run, of, count in rows if status in (None, of)}

    def processes(self) -> list[psutil.Process]:
        """Of trials, on any node."""
        return [
            process
            for process in self.world.nodes.processes()
            if "".join(_words(process)).startswith(TRIALS)
        ]

    def wait_until_busy(self, num_running: int, seconds: float = 240) -> None:
        """Until so many trials run, each with an epoch behind it."""
        self._wait(lambda: sum(map(bool, self.epochs("RUNNING").values())) >= num_running, seconds)

    def wait_for_progress(self, before: dict[str, int], seconds: float = 240) -> None:
        """Until every trial of `before` has an epoch more, or all of them."""

        def went_on() -> bool:
            now = self.epochs()
            return all(now[run] > min(count, NUM_EPOCHS - 1) for run, count in before.items())

        self._wait(went_on, seconds)

    def check_checkpoints(self) -> None:
        """No running trial has more to lose than it was told to."""
        running = len(self.epochs("RUNNING"))
        infos = self.world.files().get_file_info(
            fs.FileSelector(self.world.storage.removeprefix("s3://"), recursive=True)
        )
        now = time.time()
        ages = [now - info.mtime.timestamp() for info in infos if info.base_name == "checkpoint.pt"]
        # The youngest are those of running trials; of others it is not emptied yet.
        for age in sorted(ages)[: min(running, len(ages))]:
            assert age < CHECKPOINT_SECONDS + LATE_SECONDS, sorted(ages)

    def _wait(self, holds: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if self.is_over:
                code = self.end()
                raise AssertionError(f"The driver has ended with {code}:\n{self.log}")
            assert time.monotonic() < deadline, self.epochs()
            time.sleep(0.2)

    def kill_driver(self) -> None:
        """At once, wherever it runs."""
        if not self.submitted:
            self.driver.kill()
            return
        for process in self.world.nodes.processes():
            if "tests.chaos.sweep" in _words(process):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def stop_driver(self) -> None:
        """As a person or a scheduler would."""
        if self.submitted:
            self._ray("job", "stop", "--address", self.world.nodes.dashboard, self._submission)
        else:
            self.driver.terminate()

    @property
    def _submission(self) -> str:
        return f"chaos-{self._num_starts}"

    def _start(self) -> subprocess.Popen[str]:
        self._num_starts += 1
        nodes = self.world.nodes
        if not self.submitted:
            address = ("--address", nodes.address)
            return start("tests.chaos.sweep", *self._arguments, *address, **nodes.variables)
        command = [
            *(str(BIN / "ray"), "job", "submit", "--address", nodes.dashboard),
            *("--working-dir", str(ROOT), "--submission-id", self._submission),
            *("--", "python", "-m", "tests.chaos.sweep", *self._arguments),
        ]
        return subprocess.Popen(
            command,
            env=environment(**nodes.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _ray(self, *arguments: str) -> None:
        done = subprocess.run(
            [str(BIN / "ray"), *arguments],
            env=environment(**self.world.nodes.variables),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _words(process: psutil.Process) -> list[str]:
    try:
        words: list[str] = process.cmdline()
    except psutil.NoSuchProcess:
        return []
    return words
