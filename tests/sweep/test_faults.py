"""What a disturbed sweep leaves, and that it comes to the same: real processes, real signals."""

import functools
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen

import optuna
import psutil
import pytest
from mlflow.tracking import MlflowClient

from core.config import TrainConfig
from sweep import search
from sweep.cli import EXIT_REFUSED, main
from sweep.errors import SweepError
from sweep.report.__main__ import main as report_command
from sweep.tracking import metrics
from sweep.tracking.connect import EXPERIMENT, connect
from sweep.tracking.plan import Plan
from sweep.tracking.rows import EpochRow
from sweep.tracking.store import DamagedCheckpointError, TrialStore
from sweep.tracking.trials import TrialSpec
from sweep.tracking.writer import SweepRuns
from tests.sweep import tiny
from tests.sweep.command import (
    ACTORS,
    ROOT,
    assert_each_trial_once,
    assert_every_epoch_once,
    call,
    children,
    count_finished,
    parents,
    processes_of,
    run,
    start,
    wait_for_epochs,
)

FINGERPRINT = "f" * 64
PLAN = Plan(name="tiny", title="t", base={}, arms=(), seeds=(0,), trials=())
EPOCHS = 120
ARGUMENTS = ("--seeds", "1", "--set", f"num_epochs={EPOCHS}", "--max-concurrent", "1")


def trial_of(seed: int) -> TrialSpec:
    config = TrainConfig(seed=seed)
    return TrialSpec(arms=("a",), config=config, dataset_fingerprint=FINGERPRINT)


def runs_in(folder: Path, **changes: float) -> SweepRuns:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client, experiment = connect(uri, EXPERIMENT, artifact_root=folder / "artifacts")
    tags = {metrics.TAG_SWEEP: "tiny"}
    return SweepRuns(client, experiment, sweep_id="s", plan=PLAN, tags=tags, **changes)


def row(epoch: int, *, at: int) -> EpochRow:
    values = {metrics.MINIVAL_ACCURACY: 0.1 * epoch, metrics.LABEL_LOSS: 1.0}
    return EpochRow(epoch=epoch, timestamp_ms=at + epoch, values=values)


def points(uri: str, run_id: str) -> list[int]:
    history = MlflowClient(tracking_uri=uri).get_metric_history(run_id, metrics.LABEL_LOSS)
    return sorted(point.step for point in history)


def test_the_writer_outlives_whatever_a_call_raises(tmp_path: Path) -> None:
    """Here a trial's rows without its run, which no one expects; all that is queued after it."""
    broken, whole = trial_of(0), trial_of(1)

    def write() -> None:
        with runs_in(tmp_path) as runs:
            runs.trial_rows(broken.hash, [row(0, at=0)])
            runs.trial_started(whole)
            runs.trial_rows(whole.hash, [row(0, at=0)])

    with pytest.raises(SweepError, match=r"did not take 1 calls \(KeyError"):
        write()
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (child,) = children(uri)
    assert child.data.tags[metrics.TAG_CONFIG_HASH] == whole.hash
    assert points(uri, child.info.run_id) == [0]


def test_a_trial_that_fails_before_it_starts_has_its_run_and_its_reason(tmp_path: Path) -> None:
    with runs_in(tmp_path) as runs:
        runs.trial_failed(trial_of(0), "its process was killed while it was made")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (child,) = children(uri)
    assert child.info.status == "FAILED"
    assert child.data.tags[metrics.TAG_FAILURE] == "its process was killed while it was made"
    with runs_in(tmp_path) as runs:
        runs.trial_started(trial_of(0))
    (child,) = children(uri)
    assert metrics.TAG_FAILURE not in child.data.tags, "of an attempt that another has followed"


def test_an_epoch_that_is_trained_again_is_not_written_again(tmp_path: Path) -> None:
    """By the same driver after a retry, and by another one after a kill."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with runs_in(tmp_path) as runs:
        runs.trial_started(trial_of(0))
        runs.trial_rows(trial_of(0).hash, [row(epoch, at=1000) for epoch in range(3)])
        runs.trial_started(trial_of(0))
        runs.trial_rows(trial_of(0).hash, [row(epoch, at=2000) for epoch in range(1, 5)])
    (child,) = children(uri)
    assert points(uri, child.info.run_id) == [0, 1, 2, 3, 4]
    with runs_in(tmp_path) as runs:
        runs.trial_started(trial_of(0))
        runs.trial_rows(trial_of(0).hash, [row(epoch, at=3000) for epoch in range(50)])
    assert points(uri, child.info.run_id) == list(range(50))


def test_runs_that_nobody_runs_are_not_running(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"

    def write() -> None:
        with runs_in(tmp_path) as runs:
            runs.trial_started(trial_of(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert [run.info.status for run in children(uri)] == ["KILLED"]
    assert [run.info.status for run in parents(uri)] == ["KILLED"]
    (child,) = children(uri)
    # As a driver that was killed leaves it; the next one looks before it does anything.
    MlflowClient(tracking_uri=uri).update_run(child.info.run_id, status="RUNNING")
    with runs_in(tmp_path):
        pass
    assert [run.info.status for run in children(uri)] == ["KILLED"]
    assert [run.info.status for run in parents(uri)] == ["FINISHED"]


@pytest.mark.parametrize("damage", ["cut off", "written over", "empty", "a bit"])
def test_a_damaged_checkpoint_is_known_and_can_be_set_aside(tmp_path: Path, damage: str) -> None:
    store = TrialStore.of(str(tmp_path), "s", "h", FINGERPRINT)
    store.save({"x": 1})
    (file,) = tmp_path.rglob("checkpoint.pt")
    whole = file.read_bytes()
    flipped = bytes([whole[-1] ^ 1])
    contents = {
        "cut off": whole[: len(whole) // 2],
        "written over": b"\0" * len(whole),
        "empty": b"",
        "a bit": whole[:-1] + flipped,
    }
    file.write_bytes(contents[damage])
    with pytest.raises(DamagedCheckpointError, match=r"checkpoint\.pt' is damaged: \d+ bytes"):
        store.load()
    aside = Path(store.set_aside())
    assert aside.read_bytes() == contents[damage]
    assert store.load() is None
    store.save({"x": 2})
    assert store.load() == {"x": 2}
    store.discard()
    assert aside.exists()


@pytest.mark.slow
def test_whatever_ends_a_driver_the_same_command_comes_to_the_same(tmp_path: Path) -> None:
    """SIGTERM, SIGKILL, damaged checkpoints, each in the middle of a trial."""
    whole, disturbed = tmp_path / "whole", tmp_path / "disturbed"
    code, text = run("tests.sweep.tiny", "--output", whole, *ARGUMENTS)
    assert code == 0, text
    uri = f"sqlite:///{disturbed / 'mlflow.db'}"

    process = start("tests.sweep.tiny", "--output", disturbed, *ARGUMENTS)
    wait_for_epochs(disturbed, lambda: process.poll() is None, 5)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 143, text
    assert "Run the same command again" in text
    assert "Traceback" not in text
    assert "SIGTERM" not in text
    assert time.monotonic() - begun < 10
    assert {run.info.status for run in children(uri)} <= {"KILLED", "FINISHED"}
    assert [run.info.status for run in parents(uri)] == ["KILLED"]

    process = start("tests.sweep.tiny", "--output", disturbed, *ARGUMENTS)
    wait_for_epochs(disturbed, lambda: process.poll() is None, 5)
    trials = processes_of(process, *ACTORS)
    process.kill()
    process.communicate(timeout=60)
    # A trial outlives its driver for a moment, and may save itself in it.
    assert not psutil.wait_procs(trials, timeout=60)[1]
    folders = [path for path in (disturbed / "trials").glob("*/*") if path.is_dir()]
    for folder in folders:
        (folder / "checkpoint.pt").write_bytes(b"no checkpoint")

    code, text = run("tests.sweep.tiny", "--output", disturbed, *ARGUMENTS)
    assert code == 0, text
    assert text.count("is damaged: 13 bytes that are not what was written") == len(folders), text
    table = Path("tiny", "table.csv")
    assert (disturbed / table).read_bytes() == (whole / table).read_bytes()
    runs = children(uri)
    assert_each_trial_once(runs, 3)
    assert_every_epoch_once(uri, runs, EPOCHS)
    assert [run.info.status for run in parents(uri)] == ["FINISHED"]


def main_in(output: Path, *arguments: str) -> tuple[int, str]:
    return call(functools.partial(main, tiny.EXPERIMENT), "--output", output, *arguments)


@pytest.mark.parametrize("damage", ["cut off", "written over"])
def test_a_damaged_database_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    connect(uri, EXPERIMENT, artifact_root=None)
    optuna.create_study(storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    for name in ("mlflow.db", "optuna.db"):
        file = tmp_path / name
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut off" else b"no database" * 99)
    code, text = main_in(tmp_path)
    assert code == EXIT_REFUSED
    assert f"The database '{tmp_path / 'mlflow.db'}' is damaged" in text
    assert "Traceback" not in text
    code, text = call(report_command, "tiny", "--output", tmp_path)
    assert code == EXIT_REFUSED
    assert "is damaged" in text
    (tmp_path / "journal").write_bytes(b"no journal\n" * 99)
    for storage in (f"sqlite:///{tmp_path / 'optuna.db'}", str(tmp_path / "journal")):
        code, text = call(search.main, "--output", tmp_path, "--study-storage", storage)
        assert code == EXIT_REFUSED
        assert f"--study-storage {storage!r} cannot be opened" in text
        assert "Traceback" not in text


def test_commands_that_make_the_database_at_once_wait_for_one_another(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from sweep.tracking.connect import EXPERIMENT, connect\n"
        "print(connect(sys.argv[1], EXPERIMENT, artifact_root=None)[1])\n"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'mlflow.db'}"]
    processes = [Popen(command, cwd=ROOT, stdout=PIPE, stderr=STDOUT, text=True) for _ in range(3)]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert len({text.split()[-1] for text in said}) == 1, "one experiment for all"


@pytest.mark.slow
def test_a_second_driver_is_refused_and_no_key_is_left_behind(tmp_path: Path) -> None:
    secrets = {
        name: f"planted-{name}-0123456789"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    }
    output = tmp_path / "out"
    ray_folder = Path(tempfile.mkdtemp(prefix="ray-"))  # a short path, for sockets lie in it
    arguments = ("--output", output, *ARGUMENTS)
    process = start("tests.sweep.tiny", *arguments, RAY_TMPDIR=str(ray_folder), **secrets)
    wait_for_epochs(output, lambda: process.poll() is None, 5)
    code, text = main_in(output, *ARGUMENTS)
    assert code == EXIT_REFUSED
    assert f"This sweep is driven by process {process.pid} on " in text
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert_each_trial_once(children(f"sqlite:///{output / 'mlflow.db'}"), 3)
    logs = [path for path in ray_folder.rglob("*") if path.is_file()]
    assert any(path.name == "runtime_env_agent.log" for path in logs)
    for path in (*logs, *(path for path in output.rglob("*") if path.is_file())):
        content = path.read_bytes()
        assert not [name for name, value in secrets.items() if value.encode() in content], path
    shutil.rmtree(ray_folder)


@pytest.mark.slow
def test_an_actor_that_was_killed_is_replaced_and_its_trial_goes_on(tmp_path: Path) -> None:
    """Trials that are shorter than the start of an actor once left the other one to do it all."""
    num_seeds = 10
    process = start(
        *("tests.sweep.tiny", "--output", tmp_path, "--seeds", str(num_seeds)),
        *("--set", "num_epochs=40", "--max-concurrent", "2", "--retries", "1"),
    )
    wait_for_epochs(tmp_path, lambda: process.poll() is None, 1)
    deadline = time.monotonic() + 60
    while len(actors := processes_of(process, *ACTORS)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    actors[0].kill()
    database = tmp_path / "mlflow.db"
    killed, counts = time.monotonic(), []
    while process.poll() is None and count_finished(database) < 3 * num_seeds - 3:
        if time.monotonic() - killed > 8:
            counts.append(len(processes_of(process, *ACTORS)))
        time.sleep(0.2)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert len(counts) > 10, "the sweep was over too soon to tell"
    assert sum(count >= 2 for count in counts) > 0.75 * len(counts), counts
    uri = f"sqlite:///{database}"
    assert_each_trial_once(children(uri), 3 * num_seeds)
    assert_every_epoch_once(uri, children(uri), 40)
