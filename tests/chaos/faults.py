"""What can happen to a sweep. After each the world is whole again, and a driver drives."""

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

from sweep.errors import EXIT_LOST
from tests.chaos.driven import Driven
from tests.small_disk import fill

OUTAGE_SECONDS = 30.0
EXIT_TERMINATED = 143

Fault = Callable[[Driven, random.Random], None]


def process(driven: Driven, rng: random.Random) -> None:
    """A trial's process is killed."""
    with suppress(psutil.NoSuchProcess):  # its trial may have ended by now
        rng.choice(driven.processes()).kill()


def node(driven: Driven, rng: random.Random) -> None:
    """A node is switched off, and another comes."""
    _replace(driven, rng, count=1)


def half(driven: Driven, rng: random.Random) -> None:
    """Half the nodes are switched off, and others come."""
    _replace(driven, rng, count=len(driven.world.nodes.workers) // 2)


def drain(driven: Driven, rng: random.Random) -> None:
    """A node is told that it will go, and another comes."""
    nodes = driven.world.nodes
    doomed = rng.choice(nodes.workers)
    doomed.terminate()
    nodes.add(drain_seconds=20)
    nodes.wait(doomed)


def driver(driven: Driven, rng: random.Random) -> None:
    """The driver is killed, and its command is given again."""
    driven.kill_driver()
    driven.again()


def terminate(driven: Driven, rng: random.Random) -> None:
    """The driver is told to end, and its command is given again."""
    start = time.monotonic()
    driven.stop_driver()
    code = driven.end()
    # `ray job submit` has exit codes of its own.
    assert driven.submitted or code == EXIT_TERMINATED, driven.log
    assert "Interrupted. Run the same command again" in driven.log
    assert time.monotonic() - start < 15, driven.log
    assert not driven.epochs("RUNNING")
    driven.again()


def mlflow(driven: Driven, rng: random.Random) -> None:
    """MLflow's server is away for half a minute."""
    driven.world.stop_mlflow()
    time.sleep(OUTAGE_SECONDS)
    driven.world.start_mlflow()


def s3(driven: Driven, rng: random.Random) -> None:
    """The object store hangs for half a minute."""
    driven.world.stop_s3()
    time.sleep(OUTAGE_SECONDS)
    driven.world.start_s3()


def disk(driven: Driven, rng: random.Random) -> None:
    """The disk under MLflow's database is full for half a minute."""
    folder = driven.world.disk
    assert folder is not None
    filling = folder / "filling"
    fill(filling)
    time.sleep(OUTAGE_SECONDS)
    filling.unlink()


def head(driven: Driven, rng: random.Random) -> None:
    """The head is switched off: the driver says so and ends. Cluster and command start again.

    A driver that was submitted as a job is switched off with the head.
    """
    nodes = driven.world.nodes
    count, start = len(nodes.workers), time.monotonic()
    nodes.kill(nodes.head)
    if not driven.submitted:
        assert driven.end() == EXIT_LOST, driven.log
        assert time.monotonic() - start < 20, driven.log
        assert not driven.epochs("RUNNING")
    nodes.restart_head()
    for _ in range(count):
        nodes.add(drain_seconds=20)
    driven.again()


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (process, node, half, drain, driver, terminate, mlflow, s3, disk, head)
}


def _replace(driven: Driven, rng: random.Random, *, count: int) -> None:
    nodes = driven.world.nodes
    for doomed in rng.sample(nodes.workers, count):
        nodes.kill(doomed)
    for _ in range(count):
        nodes.add(drain_seconds=20)
