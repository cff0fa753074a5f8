"""A trial without Ray: resume from its store, the rows it gives, the artifacts it leaves."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from safetensors.torch import load_file
from torch import Tensor

from core import AttributeExtractor
from core.cache import CACHE_VARIABLE
from core.config import TrainConfig
from core.data import load_dataset
from core.data.images import ArrayImages, Rows
from core.model import build_model
from core.tree import DecisionTree
from sweep.engine.placement import Placement
from sweep.engine.trial import TrialRun, TrialSettings
from sweep.errors import SweepError
from sweep.tracking import metrics
from sweep.tracking.rows import EpochRow
from sweep.tracking.storage import check_storage
from sweep.tracking.store import TrialStore
from tests.sweep.tiny import TINY


def settings(storage: Path, **changes: Any) -> TrialSettings:
    values = {
        "base": TrainConfig().replace({**TINY, "num_epochs": 3, "drops_to_stop": None}).to_dict(),
        "sweep_id": "s",
        "storage": str(storage),
        "report_seconds": 0.0,
        "placement": Placement(checkpoint_seconds=0.0),
        **changes,
    }
    return TrialSettings(**values)


def without_time(values: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if "seconds" not in key}


def finish(run: TrialRun) -> tuple[list[EpochRow], Mapping[str, float]]:
    rows: list[EpochRow] = []
    while True:
        report = run.advance()
        rows += report.rows
        if report.done:
            return rows, report.final


def test_resumed_gives_all_rows_again_and_the_same_numbers(tmp_path: Path) -> None:
    whole = settings(tmp_path / "a")
    rows, final = finish(TrialRun(whole.config({}), whole))
    assert [row.epoch for row in rows] == [0, 1, 2]

    parts = settings(tmp_path / "b")
    begun = TrialRun(parts.config({}), parts)
    first = begun.advance()
    assert not first.done
    resumed_rows, resumed_final = finish(TrialRun(parts.config({}), parts))
    assert resumed_rows[0] == first.rows[0], "the same row, its time included"
    for resumed, row in zip(resumed_rows, rows, strict=True):
        assert without_time(resumed.values) == without_time(row.values)
    assert without_time(resumed_final) == without_time(final)


def test_killed_inside_an_epoch_goes_on_from_the_batch_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = settings(tmp_path / "a")
    rows, final = finish(TrialRun(whole.config({}), whole))
    its = settings(tmp_path / "b")
    positions: list[tuple[int, int | None]] = []
    save = TrialStore.save

    def save_and_die(store: TrialStore, checkpoint: dict[str, Any]) -> None:
        save(store, checkpoint)
        part = checkpoint["state"]["part"]
        positions.append((checkpoint["state"]["epoch"], part and part["num_batches"]))
        if len(positions) in (3, 4, 30):
            raise KeyboardInterrupt

    monkeypatch.setattr(TrialStore, "save", save_and_die)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            finish(TrialRun(its.config({}), its))
    resumed_rows, resumed_final = finish(TrialRun(its.config({}), its))
    assert positions[:4] == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert len(set(positions)) == len(positions), "no batch is learnt twice"
    assert {(1, None), (2, None), (3, None)} <= set(positions), "the end of every epoch is saved"
    for resumed, row in zip(resumed_rows, rows, strict=True):
        assert without_time(resumed.values) == without_time(row.values)
    assert without_time(resumed_final) == without_time(final)


def test_no_checkpoint_inside_an_epoch_before_it_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    its = settings(tmp_path, placement=Placement(checkpoint_seconds=3600.0))
    saved: list[int | None] = []
    monkeypatch.setattr(TrialStore, "save", lambda _, values: saved.append(values["state"]["part"]))
    finish(TrialRun(its.config({}), its))
    assert saved == [None, None, None]


def test_a_finished_trial_taken_up_again_trains_nothing(tmp_path: Path) -> None:
    its = settings(tmp_path)
    rows, final = finish(TrialRun(its.config({}), its))
    again = TrialRun(its.config({}), its).advance()
    assert again.done
    assert again.rows == rows
    assert again.final == final


def test_final_row_is_the_reported_epoch(tmp_path: Path) -> None:
    its = settings(tmp_path)
    rows, final = finish(TrialRun(its.config({}), its))
    assert final[metrics.REPORTED_EPOCH] == 2
    assert final[metrics.final(metrics.TEST_ACCURACY)] == rows[2].values[metrics.TEST_ACCURACY]
    assessed = set(final) - set(metrics.FINAL_METRICS)
    absent = {"within_class_gain", "counterfactual_switch"}  # digits' attributes are per class
    assert assessed == {metrics.final(name) for name in {*metrics.ASSESSMENT} - absent}
    score, before = (
        final[metrics.final(name)] for name in (metrics.FIDELITY_SCORE, "untrained_score")
    )
    assert final[metrics.final("gain")] == score - before
    assert set(rows[0].values) == set(metrics.EPOCH_METRICS)


def test_early_stopping_reports_an_earlier_row(tmp_path: Path) -> None:
    its = settings(tmp_path)
    config = its.config({"num_epochs": 60, "drops_to_stop": 1, "learning_rate": 0.3})
    rows, final = finish(TrialRun(config, its))
    assert len(rows) < 60
    assert final[metrics.REPORTED_EPOCH] == len(rows) - 2
    assert final[metrics.final(metrics.FIDELITY_SCORE)] == rows[-2].values[metrics.FIDELITY_SCORE]
    assert metrics.FIDELITY_SCORE not in rows[-1].values


@pytest.mark.parametrize(
    ("changes", "of_an_earlier_epoch"),
    [({}, 0), ({"num_epochs": 60, "drops_to_stop": 1, "learning_rate": 0.3}, 1)],
)
def test_images_are_read_once_an_epoch_and_twice_in_the_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    of_an_earlier_epoch: int,
) -> None:
    """Decoding is dear: minival serves accuracy and report, and the last numbers the artifacts."""
    read: Counter[int] = Counter()
    batches = ArrayImages.batches

    def counted(self: ArrayImages, rows: Sequence[Rows], **arguments: Any) -> Iterator[Tensor]:
        read[len(self)] += sum(map(len, rows))
        return batches(self, rows, **arguments)

    monkeypatch.setattr(ArrayImages, "batches", counted)
    its = settings(tmp_path)
    rows, _ = finish(TrialRun(its.config(changes), its))
    dataset = load_dataset("digits")
    epochs = {size: count / size for size, count in read.items()}
    # At the end all is read twice more: by the trained network, and by the one before training.
    once = len(rows) + 2
    assert epochs == {
        len(dataset.train): once,
        # After early stopping the weights are those of an earlier epoch, whose outputs are gone.
        len(dataset.minival): once + of_an_earlier_epoch,
        len(dataset.test): once,
    }


def test_artifacts_can_be_read_back(tmp_path: Path) -> None:
    its = settings(tmp_path / "store")
    config = its.config({})
    finish(TrialRun(config, its))
    folder = tmp_path / "artifacts"
    folder.mkdir()
    dataset = load_dataset("digits")
    TrialStore.of(its.storage, its.sweep_id, config.hash, dataset.fingerprint).get_artifacts(folder)
    assert TrainConfig.from_dict(json.loads((folder / "config.json").read_text())) == config
    model = build_model(config, in_channels=1, num_classes=10)
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    tree = DecisionTree.from_dict(json.loads((folder / "tree.json").read_text()))
    assert tree.num_features == config.feature_dim
    table = pyarrow.parquet.read_table(folder / "attributes.parquet")
    assert table.column("attribute").to_pylist() == list(dataset.attribute_names)
    assert (folder / "tree.png").read_bytes().startswith(b"\x89PNG")
    assert "feature" in (folder / "tree.txt").read_text().lower()


def test_a_trial_draws_its_images_at_the_size_of_its_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    its = settings(tmp_path / "store")
    config = its.config({"dataset": "field_guide", "image_size": 16, "num_epochs": 1})
    finish(TrialRun(config, its))
    fingerprint = its.data.load(config).fingerprint
    TrialStore.of(its.storage, its.sweep_id, config.hash, fingerprint).get_artifacts(tmp_path)
    extractor = AttributeExtractor.load(tmp_path)
    assert extractor.trained_.input_shape == (3, 16, 16)
    assert extractor.trained_.config == config


def test_a_store_is_empty_after_discard(tmp_path: Path) -> None:
    store = TrialStore.of(str(tmp_path), "s", "h", "f" * 64)
    assert store.load() is None
    store.save({"x": 1})
    store.save({"x": 2})
    assert store.load() == {"x": 2}
    assert [path.name for path in (tmp_path / "s" / f"h-{'f' * 12}").iterdir()] == ["checkpoint.pt"]
    store.discard()
    store.discard()
    assert store.load() is None


def test_storage_on_another_filesystem_by_uri(tmp_path: Path) -> None:
    store = TrialStore.of(f"file://{tmp_path}", "s", "h", "f" * 64)
    store.save({"x": 1})
    assert store.load() == {"x": 1}


@pytest.mark.parametrize("storage", ["/proc/none", "nonsense://bucket/x"])
def test_storage_that_cannot_be_written_is_refused(storage: str) -> None:
    with pytest.raises(SweepError, match="cannot be written"):
        check_storage(storage)
