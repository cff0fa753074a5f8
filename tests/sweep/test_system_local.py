"""The command as a user runs it: a real local Ray, a real MLflow store, real processes killed."""

import csv
import functools
import signal
import time
from pathlib import Path

import pyarrow.parquet
import pytest
from mlflow.tracking import MlflowClient

from core.config import FIELD_NAMES
from sweep.cli import main
from sweep.tracking import metrics
from tests.sweep import failing
from tests.sweep.command import (
    assert_each_trial_once,
    assert_every_epoch_once,
    call,
    children,
    count_finished,
    parents,
    run,
    start,
)

pytestmark = pytest.mark.slow

NUM_TRIALS = 6
EPOCHS = 30
OF_EQ_7 = {"mask_probability", "sparsity_norm", "sparsity_divisor"}
ARGUMENTS = ("--seeds", "2", "--set", f"num_epochs={EPOCHS}")


def store(output: Path) -> str:
    return f"sqlite:///{output / 'mlflow.db'}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A whole sweep, not interrupted."""
    output = tmp_path_factory.mktemp("finished")
    code, text = run("tests.sweep.tiny", "--output", output, *ARGUMENTS)
    assert code == 0, text
    return output, text


def test_it_ends_with_its_table_and_the_line_that_opens_the_ui(
    finished: tuple[Path, str],
) -> None:
    output, text = finished
    assert f"{NUM_TRIALS}/{NUM_TRIALS} done" in text
    assert f"mlflow ui --backend-store-uri {store(output)}" in text
    with (output / "tiny" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == NUM_TRIALS
    assert all(0 < float(row[metrics.final(metrics.FIDELITY_SCORE)]) <= 1 for row in rows)


def test_mlflow_holds_everything(finished: tuple[Path, str], tmp_path: Path) -> None:
    output, _ = finished
    runs = children(store(output))
    assert_each_trial_once(runs, NUM_TRIALS)
    assert_every_epoch_once(store(output), runs, EPOCHS)
    assert [run.info.status for run in parents(store(output))] == ["FINISHED"]
    client = MlflowClient(tracking_uri=store(output))
    for child in runs:
        # What a run cannot depend on is no param of it: with p = 0 too, Eq. 7 is 0.
        unread = set(FIELD_NAMES) - set(child.data.params)
        without_eq_7 = float(child.data.params["sparsity_weight"]) == 0
        assert unread == (OF_EQ_7 if without_eq_7 else set())
        for tag in (
            metrics.TAG_CONFIG_HASH,
            metrics.TAG_DATASET_FINGERPRINT,
            metrics.TAG_SEED,
            metrics.TAG_SWEEP,
            "torch",
            "ray",
            "mlflow",
        ):
            assert child.data.tags[tag]
        logged = set(child.data.metrics)
        # Of digits, whose attributes are per class and whose images cannot be drawn again.
        absent = {"within_class_gain", "counterfactual_switch"}
        expected = {
            *(metrics.EPOCH_METRICS + metrics.FINAL_METRICS),
            *(metrics.SYSTEM_MEMORY, metrics.SYSTEM_CPU),
            *(metrics.final(name) for name in {*metrics.ASSESSMENT} - absent),
        }
        if child.data.tags[metrics.TAG_ARM] == "quantized network":
            expected -= {metrics.TREE_LOSS, metrics.final(metrics.TREE_LOSS)}
        if without_eq_7:
            expected -= {metrics.SPARSITY_LOSS, metrics.final(metrics.SPARSITY_LOSS)}
        assert logged == expected
        names = {file.path for file in client.list_artifacts(child.info.run_id)}
        assert names == {
            "attributes.parquet",
            "config.json",
            "extractor.json",
            "tree.json",
            "tree.png",
            "tree.txt",
            "weights.safetensors",
        }
    path = client.download_artifacts(runs[0].info.run_id, "attributes.parquet", str(tmp_path))
    assert {"attribute", "feature", "level", "f1"} <= set(
        pyarrow.parquet.read_table(path).column_names
    )


def test_nothing_is_left_in_the_trials_storage(finished: tuple[Path, str]) -> None:
    output, _ = finished
    assert list((output / "trials").rglob("*.pt")) == []
    assert list((output / "tune").iterdir()) == [], "Tune's snapshots serve nobody"


def test_the_same_command_again_runs_nothing(finished: tuple[Path, str]) -> None:
    output, _ = finished
    before = (output / "tiny" / "table.csv").read_bytes()
    code, text = run("tests.sweep.tiny", "--output", output, *ARGUMENTS)
    assert code == 0
    assert f"{NUM_TRIALS} trials were finished before" in text
    assert (output / "tiny" / "table.csv").read_bytes() == before
    assert_each_trial_once(children(store(output)), NUM_TRIALS)
    assert len(parents(store(output))) == 1


def interrupt(output: Path, kind: signal.Signals, after: int) -> tuple[int, str]:
    """Start the sweep, one trial at a time, and send a signal once some trials are finished.

    The trials run one at a time so that the driver keeps a core for MLflow: were its writes to
    lag behind, all trials could be over when the first of them is seen to be finished.
    """
    process = start("tests.sweep.tiny", "--output", output, *ARGUMENTS, "--max-concurrent", "1")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if count_finished(output / "mlflow.db") >= after:
            break
        time.sleep(0.1)
    process.send_signal(kind)
    text, _ = process.communicate(timeout=120)
    return process.returncode, text


def test_killed_and_interrupted_and_started_again_gives_the_same_table(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    code, text = interrupt(tmp_path, signal.SIGKILL, after=1)
    assert code == -signal.SIGKILL, text
    num_before = num_finished(tmp_path)
    assert 1 <= num_before < NUM_TRIALS - 1
    code, text = interrupt(tmp_path, signal.SIGINT, after=num_before + 1)
    assert code == 130, text
    assert "Run the same command again" in text
    num_before = num_finished(tmp_path)
    code, text = run("tests.sweep.tiny", "--output", tmp_path, *ARGUMENTS)
    assert code == 0, text
    assert f"{num_before} trials were finished before" in text
    table = Path("tiny", "table.csv")
    assert (tmp_path / table).read_bytes() == (finished[0] / table).read_bytes()
    runs = children(store(tmp_path))
    assert_each_trial_once(runs, NUM_TRIALS)
    assert_every_epoch_once(store(tmp_path), runs, EPOCHS)
    assert len(parents(store(tmp_path))) == 1


def num_finished(output: Path) -> int:
    return sum(run.info.status == "FINISHED" for run in children(store(output)))


def test_failed_trials_are_counted_and_only_they_run_again(tmp_path: Path) -> None:
    command = functools.partial(main, failing.EXPERIMENT)
    arguments = ("--output", tmp_path, "--seeds", "2", "--set", "num_epochs=3")
    code, text = call(command, *arguments)
    assert code == 1
    assert "2 of 4 trials failed; run the same command again to run only those." in text
    assert "loss is nan at epoch" in text or "loss is inf at epoch" in text
    by_status = {run.info.status for run in children(store(tmp_path), "failing")}
    assert by_status == {"FINISHED", "FAILED"}
    code, text = call(command, *arguments)
    assert code == 1
    assert "2 trials were finished before" in text
    assert len(children(store(tmp_path), "failing")) == 4
