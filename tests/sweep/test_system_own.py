"""Sweep, search and report on pictures of one's own that have no attributes, to the end."""

import functools
import math
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from core.data.pack import main as pack
from core.extract import main as extract
from core.extractor import AttributeExtractor
from sweep import ablation_parts, search
from sweep.cli import EXIT_REFUSED, main
from sweep.report.__main__ import main as report
from sweep.tracking import metrics
from tests.core.data.own_pictures import letter_folder
from tests.sweep.command import call, children

SMALL = {
    "resize_size": 16,
    "crop_size": 16,
    "feature_dim": 8,
    "hidden_dim": 8,
    "trunk_width": 4,
    "num_epochs": 2,
    "num_bits": 2,
}
OF_ATTRIBUTES = ("fidelity", "gain", "untrained", "shuffled", "detector", "probe", "stump", "one_")


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed without attributes."""
    folder = tmp_path_factory.mktemp("own")
    root = letter_folder(folder / "letters", "ABKRSX")
    assert pack(["folder", f"--root={root}", f"--output={folder / 'packed'}", "--workers=1"]) == 0
    return folder / "packed"


def test_the_data_alone_says_what_is_swept(letters: Path) -> None:
    code, text = call(
        functools.partial(main, ablation_parts.EXPERIMENT), "--dry-run", "--data", letters
    )
    assert code == 0, text
    assert "Preset 'letters': feature_dim=128" in text
    assert "resize_size=32, crop_size=32" in text
    code, other = call(
        functools.partial(main, ablation_parts.EXPERIMENT),
        *("--dry-run", "--dataset=letters", f"--data=letters={letters}"),
    )
    assert code == 0
    assert other == text


@pytest.mark.slow
def test_a_sweep_without_attributes_runs_to_its_report(letters: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = [f"--data={letters}", "--seeds=1", f"--output={output}", "--max-concurrent=1"]
    arguments += [f"--set={key}={value}" for key, value in SMALL.items()]
    code, text = call(functools.partial(main, ablation_parts.EXPERIMENT), *arguments)
    assert code == 0, text
    assert "no fidelity: the data has no attributes" in " ".join(text.split())

    store = f"sqlite:///{output / 'mlflow.db'}"
    runs = children(store, "ablation_parts")
    assert len(runs) == 4
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.inputs.dataset_inputs[0].dataset.name == "letters"
        keys = {key.removeprefix(metrics.final("")) for key in run.data.metrics}
        assert {metrics.TEST_ACCURACY, metrics.ZERO_SHARE, "class_independence"} <= keys
        assert not [key for key in keys if key.startswith(OF_ATTRIBUTES)]
        assert all(math.isfinite(value) for value in run.data.metrics.values())
        files = {file.path for file in MlflowClient(store).list_artifacts(run.info.run_id)}
        assert not [file for file in files if "attributes" in file]

    folder = output / "ablation_parts"
    (header, *_) = (folder / "table.csv").read_text().splitlines()
    assert "accuracy" in header
    assert "fidelity" not in header
    assert "held-out" not in header
    written = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"}

    code, text = call(report, "ablation_parts", f"--output={output}")
    assert code == 0, text
    assert "no fidelity: the data has no attributes" in " ".join(text.split())
    assert written == {path.name: path.read_bytes() for path in folder.glob("*.csv")}

    client = MlflowClient(store)
    (run, *_) = (run for run in runs if run.data.tags[metrics.TAG_ARM] == "+ both")
    model = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    extractor = AttributeExtractor.load(next(model.rglob("extractor.json")).parent)
    assert extractor.classes_.tolist() == list("ABKRSX")
    assert extractor.matched_attribute_names() == []
    pictures = letters.parent / "letters"
    where = next(model.rglob("extractor.json")).parent
    code, text = call(extract, where, pictures, "--output", tmp_path / "x.parquet")
    assert code == 0
    assert "108 pictures, 0 unreadable" in text


@pytest.mark.slow
def test_a_search_without_attributes(letters: Path, tmp_path: Path) -> None:
    arguments = [
        f"--data={letters}",
        "--num-trials=2",
        f"--output={tmp_path}",
        "--max-concurrent=1",
    ]
    small = {key: value for key, value in SMALL.items() if key not in ("feature_dim", "num_bits")}
    arguments += [f"--set={key}={value}" for key, value in small.items()]
    code, text = call(search.main, *arguments, "--objective=oracle-fidelity")
    assert code == EXIT_REFUSED
    assert "needs attributes, but 'letters' has none: take minival-accuracy" in text
    code, text = call(search.main, *arguments)
    assert code == 0, text
    assert (tmp_path / "search" / "trials.csv").read_text().count("\n") == 3
