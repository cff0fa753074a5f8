"""`python -m core.train`: a model in a folder, stopped and resumed, and what it refuses."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.config import TrainConfig, preset_config
from core.data import load_dataset
from core.data.pack import main as pack
from core.errors import DataError
from core.evaluation import evaluate
from core.extractor import AttributeExtractor
from core.methods import create_state
from core.train import train_to_folder
from core.train.__main__ import main
from core.training import EpochResult, fit
from tests.core.data.own_pictures import letter_folder

SMALL: dict[str, Any] = {
    "feature_dim": 8,
    "hidden_dim": 8,
    "trunk_width": 4,
    "num_bits": 2,
    "num_epochs": 3,
    "batch_size": 256,
}
DIGITS = preset_config("digits").replace(SMALL)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    root = letter_folder(folder / "letters", "ABKRSX")
    assert pack(["folder", f"--root={root}", f"--output={folder / 'packed'}", "--workers=1"]) == 0
    return folder / "packed"


def arguments(folder: Path, *more: str, **changes: Any) -> list[str]:
    sets = [f"--set={key}={json.dumps(value)}" for key, value in {**SMALL, **changes}.items()]
    return ["--output", str(folder), *sets, *more]


def content(folder: Path) -> dict[str, Any]:
    """What two runs of one config have in common: all but the seconds."""
    with (folder / "epochs.csv").open(newline="") as file:
        rows = [
            {key: value for key, value in row.items() if not key.startswith("seconds")}
            for row in csv.DictReader(file)
        ]
    skipped = ("epochs.csv", "tree.png")
    return {
        "epochs": rows,
        **{path.name: path.read_bytes() for path in folder.iterdir() if path.name not in skipped},
    }


def test_the_folder_holds_what_was_trained(tmp_path: Path) -> None:
    dataset = load_dataset("digits")
    seen: list[int] = []
    result = train_to_folder(
        DIGITS, dataset, tmp_path / "model", on_epoch=lambda epoch: seen.append(epoch.epoch)
    )
    assert seen == [0, 1, 2]
    state = create_state(DIGITS, in_channels=1, num_classes=10)
    results = list(fit(state, dataset))
    expected = evaluate(state.model, state.tree, dataset)
    assert result["metrics"] == dict(expected.scalars())
    assert "fidelity_heldout" in result["metrics"]
    assert result["absent"] == {}
    assert (result["epoch"], result["dataset"]) == (2, "digits")
    assert (result["config_hash"], result["fingerprint"]) == (DIGITS.hash, dataset.fingerprint)
    extractor = AttributeExtractor.load(tmp_path / "model")
    (images,) = dataset.test.images.batches([np.arange(len(dataset.test))])
    names_N = np.array(dataset.class_names)[dataset.test.labels_N]
    accuracy = np.mean(extractor.predict(images.numpy()) == names_N)
    assert accuracy == pytest.approx(result["metrics"]["test_accuracy"])
    rows = content(tmp_path / "model")["epochs"]
    assert [float(row["label_loss"]) for row in rows] == [r.losses["label"] for r in results]
    assert [float(row["minival_accuracy"]) for row in rows] == [r.minival_accuracy for r in results]
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        *("attributes.parquet", "config.json", "epochs.csv", "extractor.json", "metrics.json"),
        *("tree.json", "tree.png", "tree.txt", "weights.safetensors"),
    }


def test_a_run_that_was_stopped_at_a_batch_ends_as_if_it_were_not(tmp_path: Path) -> None:
    dataset = load_dataset("digits")
    train_to_folder(DIGITS, dataset, tmp_path / "whole")
    for stop in (1, 4, 6):  # of 5 batches an epoch: inside the first, at its end, in the last
        batches: list[int] = []
        with pytest.raises(KeyboardInterrupt):
            train_to_folder(
                *(DIGITS, dataset, tmp_path / "stopped"),
                on_batch=lambda state, batches=batches: batches.append(state.epoch),  # type: ignore[misc]
                should_stop=lambda batches=batches, stop=stop: len(batches) == stop,  # type: ignore[misc]
            )
        assert [path.name for path in (tmp_path / "stopped").iterdir()] == ["checkpoint.pt"]
    train_to_folder(DIGITS, dataset, tmp_path / "stopped")
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    dataset = load_dataset("digits")
    first = train_to_folder(DIGITS, dataset, tmp_path)

    def never(result: EpochResult) -> None:
        raise AssertionError("It was finished.")

    assert train_to_folder(DIGITS, dataset, tmp_path, on_epoch=never) == first


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    dataset, other = load_dataset("digits"), load_dataset("digits", split_seed=1)
    train_to_folder(DIGITS, dataset, tmp_path / "done")
    with pytest.raises(KeyboardInterrupt):
        train_to_folder(DIGITS, dataset, tmp_path / "begun", should_stop=lambda: True)
    for folder in ("done", "begun"):
        with pytest.raises(DataError, match=f"belongs to config {DIGITS.hash}, but this run is"):
            train_to_folder(DIGITS.replace({"seed": 5}), dataset, tmp_path / folder)
        with pytest.raises(DataError, match="belongs to data with fingerprint"):
            train_to_folder(DIGITS, other, tmp_path / folder)
    (tmp_path / "begun" / "checkpoint.pt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match=r"checkpoint.pt' cannot be read .*: remove it to begin"):
        train_to_folder(DIGITS, dataset, tmp_path / "begun")
    (tmp_path / "done" / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics.json' is no JSON .*: remove the folder"):
        train_to_folder(DIGITS, dataset, tmp_path / "done")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(DataError, match=r"must be empty or hold a run .* holds 'thesis.tex'"):
        train_to_folder(DIGITS, dataset, tmp_path / "full")
    with pytest.raises(DataError, match="must be a folder, but is a file"):
        train_to_folder(DIGITS, dataset, tmp_path / "full" / "thesis.tex")


def test_the_command_on_pictures_of_ones_own(
    letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threads = torch.get_num_threads()
    try:
        command = arguments(tmp_path / "m", "--data", str(letters), "--seed", "3", crop_size=24)
        assert main(command) == 0
    finally:
        torch.set_num_threads(threads)
    shown = capsys.readouterr().out
    assert "Preset 'letters': trunk_learning_rate_scale=1.0, tree_weight=2.0" in shown
    assert "Given: feature_dim=8," in shown
    assert "letters: 6 classes, images (3, 24, 24), 67 train, 8 minival, 33 test" in shown
    assert "epoch 3 of 3: minival " in shown
    assert "No fidelity: the data has no attributes." in shown
    result = json.loads((tmp_path / "m" / "metrics.json").read_text())
    assert result["absent"] == {"fidelity": "the data has no attributes"}
    assert not [name for name in result["metrics"] if "fidelity" in name]
    assert not (tmp_path / "m" / "attributes.parquet").exists()
    config = TrainConfig.from_dict(json.loads((tmp_path / "m" / "config.json").read_text()))
    assert (config.dataset, config.seed, config.crop_size) == ("letters", 3, 24)
    extractor = AttributeExtractor.load(tmp_path / "m")
    assert extractor.classes_.tolist() == list("ABKRSX")
    assert len(extractor.explain(np.zeros((1, 3, 24, 24), np.uint8))) == 1

    assert main(command) == 0
    assert "epoch 3 of 3" not in capsys.readouterr().out, "it was finished"


def test_a_method_without_levels_says_why_it_has_no_fidelity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = load_dataset("digits")
    config = DIGITS.replace({"method": "sdt", "num_epochs": 1})
    result = train_to_folder(config, dataset, tmp_path)
    if (tmp_path / "extractor.json").exists():
        assert "fidelity_score" in result["metrics"]
    else:
        assert result["absent"] == {"fidelity": "the method has no levels"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "A dataset must be given by its name, such as 'digits', or a packed one"),
        (["--dataset", "digit"], "Did you mean 'digits'?"),
        (["--data", "gone"], "of the packed dataset, but 'gone' is no folder"),
        (["--dataset", "digits", "--set", "num_bits=9"], "`num_bits` must lie in [1, 8]"),
        (["--dataset", "digits", "--set", "bits=9"], "'bits' is no field of TrainConfig"),
        (["--dataset", "digits", "--set", "seed=1", "--seed", "2"], "seed must be given once"),
        (["--dataset", "digits", "--device", "cuda:99"], "--device must be one that torch can"),
        (["--dataset", "digits", "--threads", "0"], "at least 1, but got '0'"),
        (["--dataset", "digits", "--set", "trunk=resnet5O"], "Did you mean"),
        (["--dataset", "digits", "--sed", "1"], "unrecognized arguments: --sed 1"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--output", str(tmp_path / "m"), *more])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_command_and_it_goes_on(
    letters: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "m"
    command = arguments(folder, "--data", str(letters), num_epochs=2000, batch_size=8)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "core.train", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 2 "):
            break
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Run the same command again to go on where it was." in output
    assert errors == "Stopping after this batch; once more to stop at once.\n"
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert saved["state"]["epoch"] >= 2
    assert len(saved["rows"]) == saved["state"]["epoch"]
    if number == signal.SIGTERM:
        return
    again = subprocess.Popen(
        [sys.executable, "-m", "core.train", *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert again.stdout is not None
    lines = []
    for line in again.stdout:
        lines.append(line)
        if line.startswith("epoch "):
            break
    again.kill()
    again.communicate()
    assert any(line.startswith("Going on at epoch ") for line in lines)
    assert lines[-1].startswith(f"epoch {saved['state']['epoch'] + 1} of 2000")
