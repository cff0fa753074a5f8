"""What a process says of the machine it uses."""

import subprocess
import sys
import time

import numpy as np

from sweep.engine.hardware import Hardware
from sweep.tracking import metrics
from tests.sweep.command import ROOT

HOLD = "import numpy; held = numpy.ones(20_000_000); print('ready', flush=True); input()"


def burn(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def test_busy_time_is_a_share_of_the_cpus_that_the_worker_has() -> None:
    one, four = Hardware("cpu", cpus=1), Hardware("cpu", cpus=4)
    wall = time.monotonic()
    burn(0.4)
    wall = time.monotonic() - wall
    of_one, of_four = one.take(), four.take()
    # On a busy machine the process gets less than all of the time.
    expected = 100 * 0.4 / wall
    assert 0.8 * expected < of_one[metrics.SYSTEM_CPU] < 1.3 * expected + 5
    assert 0.8 * expected / 4 < of_four[metrics.SYSTEM_CPU] < 1.3 * expected / 4 + 5


def test_an_epoch_begins_anew() -> None:
    its = Hardware("cpu", cpus=1)
    burn(0.2)
    busy = its.take()[metrics.SYSTEM_CPU]
    time.sleep(0.3)
    assert its.take()[metrics.SYSTEM_CPU] < busy / 2


def test_memory_counts_processes_that_work_for_this_one() -> None:
    """In a process of its own: in this one, memory and children come and go."""
    code = "from tests.sweep.test_hardware import check_memory; check_memory()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def check_memory() -> None:
    its = Hardware("cpu", cpus=1)
    alone = its.take()[metrics.SYSTEM_MEMORY]
    held = np.ones(20_000_000)  # 160 megabytes
    with_more = its.take()[metrics.SYSTEM_MEMORY]
    assert 140 < with_more - alone < 250, (alone, with_more)
    del held
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    beside = its.take()[metrics.SYSTEM_MEMORY]
    child.kill()
    child.communicate()
    assert beside > alone + 100, (alone, beside)
    assert its.take()[metrics.SYSTEM_MEMORY] < beside


def test_a_processor_says_nothing_of_a_gpu() -> None:
    assert set(Hardware("cpu", cpus=1).take()) == {metrics.SYSTEM_MEMORY, metrics.SYSTEM_CPU}
