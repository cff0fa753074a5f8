"""Data-parallel workers against one process, with real gloo process groups."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch.nn.modules.batchnorm import _BatchNorm

import core.predict
from core.data import Split
from core.data.images import ArrayImages, Rows
from core.data.loader import BatchStream
from core.distributed import global_max, global_min
from core.errors import ConfigError, DataError
from core.methods import create_state
from core.pairs import Pairs, gather_rows
from core.predict import predict_over_workers, predict_split
from core.quantize import UniformQuantizer
from core.training import fit, share_batch_statistics
from core.tree import Criterion, fit_tree
from tests.core.small import small_config, small_dataset
from tests.core.tree.tree_problems import random_problem
from tests.core.workers import in_workers


def _compare_quantizer(rank: int, world_size: int) -> None:
    generator = torch.Generator().manual_seed(3)
    whole = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    whole[0, 0] = whole[5, 4] = whole.max() + 1  # a maximum that two workers attain
    cotangent = torch.randn(6, 5, generator=generator, dtype=torch.float64)
    mine = whole.chunk(world_size)[rank].clone().requires_grad_()
    quantizer = UniformQuantizer(3)
    levels = quantizer(mine)
    levels.backward(cotangent.chunk(world_size)[rank])
    assert global_min(mine).item() == whole.min().item()
    assert global_max(mine).item() == whole.max().item()

    low, high = whole.min(), whole.max()
    alone = whole.clone().requires_grad_()
    from core.quantize import quantize

    expected = quantize(alone, alone.amin(), alone.amax(), num_levels=8)
    expected.backward(cotangent)
    assert torch.equal(levels, expected.chunk(world_size)[rank])
    assert alone.grad is not None
    assert mine.grad is not None
    torch.testing.assert_close(mine.grad, alone.grad.chunk(world_size)[rank])
    assert quantizer.running_min.item() == pytest.approx(low.item())
    assert quantizer.running_max.item() == pytest.approx(high.item())


def _grow(rank: int, world_size: int) -> None:
    """Steps whose shares are unequal, some or all of them empty, give the tree of one process."""
    shares = {
        2: [[20, 1], [0, 30], [15, 0], [0, 0], [7, 17]],
        4: [[5, 0, 12, 1], [0, 0, 0, 3], [0, 0, 0, 0], [30, 9, 10, 20]],
    }[world_size]
    levels, labels, num_levels = random_problem(
        7, num_samples=90, num_features=11, num_classes=6, bits=3, labels="soft"
    )
    labels_NK = labels.astype(np.float32)
    for criterion in Criterion:
        config = small_config(feature_dim=11, max_depth=5, tree_criterion=criterion.value)
        pairs = Pairs(config, num_classes=6)
        with pytest.raises(DataError, match="none was added yet"):
            pairs.tree()
        for _ in range(2):
            pairs.clear()
            stop = 0
            for counts in shares:
                start = stop + sum(counts[:rank])
                mine = slice(start, start + counts[rank])
                stop += sum(counts)
                mine_BD = torch.from_numpy(levels[mine]).float()
                pairs.add(mine_BD, torch.from_numpy(labels_NK[mine]))
                expected = fit_tree(
                    levels[:stop],
                    labels_NK[:stop],
                    num_levels=num_levels,
                    max_depth=5,
                    criterion=criterion,
                    grower="plain",
                )
                assert pairs.tree() == expected
                probabilities_BK = pairs.tree_probabilities(mine_BD).numpy()
                assert np.array_equal(probabilities_BK, expected.predict(levels[mine]))
        assert stop == len(levels)


def _gather(rank: int, world_size: int) -> None:
    """Rows come in the order of the workers, which one process has as well."""
    rows_NC = torch.arange(21, dtype=torch.uint8).reshape(7, 3)
    bounds = [0, 2, 2, 3, 7]
    gathered_NC = gather_rows(rows_NC[bounds[rank] : bounds[rank + 1]])
    assert torch.equal(gathered_NC, rows_NC)


def _train(rank: int, world_size: int, folder: str) -> None:
    dataset = small_dataset()
    for steps in (1, 3):
        config = small_config(num_epochs=1, accumulation_steps=steps)
        state = create_state(config, in_channels=1, num_classes=4)
        results = list(fit(state, dataset))
        torch.save(
            {"weights": state.model.state_dict(), "loss": results[0].losses["label"]},
            f"{folder}/{world_size}-{rank}-{steps}.pt",
        )


class _CountedImages(ArrayImages):
    """Counts the rows that it is asked for."""

    num_read = 0

    def batches(
        self, rows: Sequence[Rows], *, seed: tuple[int, ...] | None = None
    ) -> Iterator[torch.Tensor]:
        self.num_read += sum(map(len, rows))
        return super().batches(rows, seed=seed)


def _predict(rank: int, world_size: int) -> None:
    dataset = small_dataset()
    state = create_state(small_config(num_epochs=1), in_channels=1, num_classes=4)
    (result,) = fit(state, dataset)
    images = _CountedImages(dataset.minival.images_NCHW)
    minival = Split(
        images=images,
        labels_N=dataset.minival.labels_N,
        attributes_NA=dataset.minival.attributes_NA,
    )
    for chunk, expected in ((5, [14, 10][rank]), (512, [24, 0][rank])):
        core.predict._CHUNK = chunk  # type: ignore[misc]
        alone = predict_split(state.model, minival)
        images.num_read = 0
        shared = predict_over_workers(state.model, minival)
        assert images.num_read == expected
        assert np.array_equal(shared.levels_ND, alone.levels_ND)
        assert np.array_equal(shared.probabilities_NK, alone.probabilities_NK)
    assert np.array_equal(result.minival.levels_ND, alone.levels_ND)
    assert np.array_equal(result.minival.probabilities_NK, alone.probabilities_NK)


def test_workers_share_a_prediction_and_get_all_of_it_bit_for_bit() -> None:
    in_workers(_predict, 2)


def _create_with_batch_statistics(rank: int, world_size: int) -> None:
    with pytest.raises(ConfigError, match="use `trunk_norm='group'`, or one worker"):
        create_state(small_config(trunk_norm="batch"), in_channels=1, num_classes=4)


def test_batch_statistics_on_several_cpu_workers_are_refused() -> None:
    in_workers(_create_with_batch_statistics, 2)


def test_quantizer_ranges_and_gradients_are_those_of_one_process() -> None:
    in_workers(_compare_quantizer, 2)


@pytest.mark.parametrize("world_size", [2, 4])
def test_workers_with_shares_of_any_size_grow_the_tree_of_one(world_size: int) -> None:
    in_workers(_grow, world_size)


def test_rows_are_gathered_in_the_order_of_the_workers() -> None:
    in_workers(_gather, 4)


def test_two_workers_and_micro_batches_give_the_weights_of_one(tmp_path: Path) -> None:
    for world_size in (1, 2):
        in_workers(_train, world_size, str(tmp_path))
    one, *two = (
        torch.load(tmp_path / f"{name}.pt")
        for name in ("1-0-1", "2-0-1", "2-1-1", "1-0-3", "2-0-3", "2-1-3")
    )
    for other in two:
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        for name, tensor in one["weights"].items():
            torch.testing.assert_close(other["weights"][name], tensor, rtol=1e-5, atol=1e-5)


def test_shards_cover_each_global_batch_once() -> None:
    split: Split = small_dataset(num_train=55).train
    streams = [
        BatchStream(split, batch_size=16, seed=0, rank=rank, world_size=3) for rank in range(3)
    ]
    alone = BatchStream(split, batch_size=16, seed=0)
    for whole, *parts in zip(alone.epoch(1), *(s.epoch(1) for s in streams), strict=True):
        assert torch.equal(whole.labels_B, torch.cat([part.labels_B for part in parts]))
        assert parts[0].global_size == whole.global_size == len(whole.labels_B)


def test_a_batch_smaller_than_the_workers_is_refused() -> None:
    split = small_dataset(num_train=34).train
    with pytest.raises(ConfigError, match="leaves a batch of 2 of 34 samples for 3 workers"):
        BatchStream(split, batch_size=16, seed=0, world_size=3)


@pytest.mark.parametrize(
    ("num_train", "sizes"), [(33, [16, 17]), (34, [16, 16, 2]), (32, [16, 16]), (1, [1])]
)
def test_no_sample_is_a_batch_of_its_own(num_train: int, sizes: list[int]) -> None:
    split = small_dataset(num_train=num_train).train
    stream = BatchStream(split, batch_size=16, seed=0)
    batches = list(stream.epoch(0))
    assert [len(batch.labels_B) for batch in batches] == sizes
    assert [batch.global_size for batch in batches] == sizes
    assert stream.num_batches == len(sizes)


def test_one_sample_more_than_whole_batches_trains_with_batch_norm() -> None:
    config = small_config(trunk_norm="batch", num_epochs=1, batch_size=16, trunk="conv")
    dataset = small_dataset(num_train=33)
    state = create_state(config, in_channels=1, num_classes=4)
    (result,) = fit(state, dataset)
    assert np.isfinite(list(result.losses.values())).all()


def test_order_depends_on_seed_and_epoch_alone() -> None:
    split = small_dataset().train
    first = [b.labels_B.tolist() for b in BatchStream(split, batch_size=20, seed=0).epoch(3)]
    stream = BatchStream(split, batch_size=20, seed=0)
    list(stream.epoch(0))
    assert [b.labels_B.tolist() for b in stream.epoch(3)] == first
    assert [b.labels_B.tolist() for b in stream.epoch(4)] != first


def test_batches_are_cut_once_where_line_2_is_read_literally() -> None:
    split = small_dataset().train
    stream = BatchStream(split, batch_size=20, seed=0, partition="once")
    first, third = ([b.labels_B.tolist() for b in stream.epoch(epoch)] for epoch in (0, 3))
    assert third == first
    anew = BatchStream(split, batch_size=20, seed=0)
    assert [b.labels_B.tolist() for b in anew.epoch(0)] == first


def _convert_trunk(rank: int, world_size: int) -> None:
    trunk = timm.create_model("test_efficientnet", num_classes=0).eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = trunk(images)
        shared = share_batch_statistics(trunk, torch.device("cuda"))
        assert torch.equal(shared(images), before)
    kinds = {type(part) for part in shared.modules() if isinstance(part, _BatchNorm)}
    assert kinds
    assert all(issubclass(kind, torch.nn.SyncBatchNorm) for kind in kinds)


def test_sharing_statistics_keeps_the_activations_that_timm_fuses_with_batch_norm() -> None:
    in_workers(_convert_trunk, 2)
