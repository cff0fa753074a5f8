"""Loader workers and Train workers change no pixel, no weight and no order."""

import gc
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import ImageOptions
from core.data import Dataset, load_dataset
from core.data.loader import Batch, BatchStream
from core.data.packed import pack
from core.methods import create_state
from core.predict import predict_split
from core.training import TrainState, fit
from tests.core.data.packing import make_archive
from tests.core.small import small_config
from tests.core.workers import in_workers

SIZES = {"resize_size": 24, "crop_size": 16, "augmentation": "crop_flip"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loading")
    pack(make_archive(folder, 60, name="cub"), folder / "cub", rows_per_shard=25, num_workers=1)
    return folder / "cub"


def load(root: Path | str, num_workers: int) -> Dataset:
    images = ImageOptions(**SIZES)  # type: ignore[arg-type]
    return load_dataset("cub", data=root, images=images, loader_workers=num_workers)


def epoch(dataset: Dataset, number: int, rank: int = 0, world_size: int = 1) -> list[Batch]:
    stream = BatchStream(dataset.train, batch_size=7, seed=5, rank=rank, world_size=world_size)
    return list(stream.epoch(number))


def assert_same(ours: list[Batch], theirs: list[Batch]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.images_BCHW, other.images_BCHW)
        assert one.images_BCHW.stride() == other.images_BCHW.stride()
        assert torch.equal(one.labels_B, other.labels_B)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_loader_workers_change_nothing_and_outlive_an_epoch(packed: Path, num_workers: int) -> None:
    here, there = load(packed, 0), load(packed, num_workers)
    epochs = [epoch(here, number) for number in range(2)]
    assert not torch.equal(epochs[0][0].images_BCHW, epochs[1][0].images_BCHW)
    assert_same(epochs[0], epoch(there, 0))
    workers = set(multiprocessing.active_children())
    assert len(workers) >= num_workers
    assert_same(epochs[1], epoch(there, 1))
    rows = [np.arange(4), np.arange(len(here.test))]
    for ours, theirs in zip(
        here.test.images.batches(rows), there.test.images.batches(rows), strict=True
    ):
        assert torch.equal(ours, theirs)
    assert set(multiprocessing.active_children()) == workers


@pytest.mark.parametrize("num_workers", [0, 1])
def test_parts_of_two_train_workers_are_the_batches_of_one(packed: Path, num_workers: int) -> None:
    dataset = load(packed, num_workers)
    parts = [epoch(dataset, 3, rank, 2) for rank in range(2)]
    for whole, first, second in zip(epoch(dataset, 3), *parts, strict=True):
        assert torch.equal(whole.images_BCHW, torch.cat([first.images_BCHW, second.images_BCHW]))
        assert abs(len(first.labels_B) - len(second.labels_B)) <= 1


def test_iterations_may_overlap_and_be_left(packed: Path) -> None:
    here, there = load(packed, 0).train.images, load(packed, 1).train.images
    rows = np.arange(20).reshape(5, 4)
    backwards = rows[::-1]
    expected = zip(here.batches(rows), here.batches(backwards, seed=(1, 2)), strict=True)
    one, other = there.batches(rows), there.batches(backwards, seed=(1, 2))
    for _ in range(3):
        assert all(map(torch.equal, (next(one), next(other)), next(expected)))
    del one
    assert len(list(other)) == 2
    assert torch.equal(torch.cat(list(there.batches(rows))), torch.cat(list(here.batches(rows))))
    assert list(there.batches([])) == []


def test_loader_workers_end_at_once_whoever_collects_their_dataset(packed: Path) -> None:
    before = set(multiprocessing.active_children())
    dataset = load(packed, 2)
    list(dataset.test.images.batches([np.arange(2)] * 3))
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    circle: list[object] = [dataset]
    circle.append(circle)
    del dataset, circle
    start = time.monotonic()
    gc.collect()
    # One that is never told looks every five seconds whether it is still wanted.
    assert time.monotonic() - start < 4
    assert [worker.exitcode for worker in workers] == [0, 0]


def trained(root: Path | str, num_workers: int) -> TrainState:
    dataset = load(root, num_workers)
    config = small_config(num_epochs=2, dataset="cub", batch_size=21, **SIZES)
    state = create_state(config, in_channels=3, num_classes=dataset.num_classes)
    for _ in fit(state, dataset):
        predict_split(state.model, dataset.test)
    return state


def test_training_is_the_same_with_loader_workers(packed: Path) -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    states = [trained(packed, num_workers).model.state_dict() for num_workers in (0, 2)]
    assert torch.equal(torch.get_rng_state(), before), "the global generator stays where it was"
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def _train(rank: int, world_size: int, root: str, out: str) -> None:
    torch.save(trained(root, 1).model.state_dict(), f"{out}/{rank}.pt")


@pytest.mark.slow
def test_two_train_workers_with_loader_workers_give_the_weights_of_one(
    packed: Path, tmp_path: Path
) -> None:
    in_workers(_train, 2, str(packed), str(tmp_path))
    one = trained(packed, 0).model.state_dict()
    for rank in range(2):
        for name, tensor in torch.load(tmp_path / f"{rank}.pt").items():
            torch.testing.assert_close(tensor, one[name], rtol=1e-4, atol=1e-5)
