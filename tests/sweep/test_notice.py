"""Trials that are told of their end: saved at once, inside an epoch, by real processes."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.tracking.store import TrialStore
from tests.sweep.command import (
    ACTORS,
    assert_each_trial_once,
    assert_every_epoch_once,
    children,
    processes_of,
    run,
    start,
    until,
    wait_for_epochs,
)
from tests.sweep.raylets import Nodes

EPOCHS = 3
ARGUMENTS = ("--seeds", "1", "--checkpoint-seconds", "3600", "--retries", "1")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of the sweep."""
    output = tmp_path_factory.mktemp("undisturbed")
    code, text = run(
        "tests.sweep.long_epochs", "--output", output, "--address", "local", "--seeds", "1"
    )
    assert code == 0, text
    return table(output)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    nodes = Nodes(tmp_path, head_cpus=0)
    yield nodes
    nodes.stop()


def table(output: Path) -> str:
    return (output / "long_epochs" / "table.csv").read_text()


def part_saved(output: Path) -> int | None:
    """Batches of the epoch that the trial's checkpoint is inside of."""
    for path in output.glob("trials/*/*/checkpoint.pt"):
        checkpoint = TrialStore(str(path.parent)).load()
        if checkpoint is not None and checkpoint["state"]["part"] is not None:
            number: int = checkpoint["state"]["part"]["num_batches"]
            return number
    return None


def assert_as_undisturbed(output: Path, driver: subprocess.Popen[str], expected: str) -> None:
    text, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, text
    uri = f"sqlite:///{output / 'mlflow.db'}"
    trials = children(uri, "long_epochs")
    assert_each_trial_once(trials, 1)
    assert_every_epoch_once(uri, trials, EPOCHS)
    assert table(output) == expected


@pytest.mark.parametrize(
    ("executor", "names"), [("actor", ACTORS), ("train", ("ray::RayTrainWorker",))]
)
def test_sigterm_to_a_trial_saves_it_inside_its_epoch(
    executor: str, names: tuple[str, ...], tmp_path: Path, undisturbed: str
) -> None:
    driver = start(
        *("tests.sweep.long_epochs", "--output", tmp_path, "--address", "local"),
        *(*ARGUMENTS, "--executor", executor),
    )
    wait_for_epochs(tmp_path, lambda: driver.poll() is None, 1)
    (worker,) = processes_of(driver, *names)
    worker.send_signal(signal.SIGTERM)
    worker.wait(timeout=30)
    assert part_saved(tmp_path), "it was killed before the end of an epoch"
    assert_as_undisturbed(tmp_path, driver, undisturbed)


@pytest.mark.parametrize("executor", ["actor", "train"])
def test_a_trial_whose_node_is_drained_is_saved_and_goes_on_elsewhere(
    executor: str, nodes: Nodes, tmp_path: Path, undisturbed: str
) -> None:
    """As a pod or a spot node that is told to go, and has a minute."""
    doomed = nodes.add(drain_seconds=60)
    driver = start(
        *("tests.sweep.long_epochs", "--output", tmp_path, "--address", nodes.address),
        *(*ARGUMENTS, "--executor", executor),
        **nodes.variables,
    )
    wait_for_epochs(tmp_path, lambda: driver.poll() is None, 1)
    doomed.terminate()
    until(lambda: part_saved(tmp_path) is not None, driver)
    nodes.add()
    nodes.kill(doomed)
    assert_as_undisturbed(tmp_path, driver, undisturbed)
