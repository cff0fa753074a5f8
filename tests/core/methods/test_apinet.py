"""API-Net: which images meet, what is asked of them, and batches made for that."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import APINetOptions
from core.data import Dataset, Split
from core.data.loader import BatchStream
from core.errors import ConfigError, DataError
from core.methods.apinet import APINetModel
from core.methods.apinet._pairs import pairs_of, probability_of, rank_loss
from core.methods.apinet._sampler import BalancedBatches
from core.training import TrainState, fit
from tests.core.methods.problems import config_of, start, striped, train
from tests.core.workers import in_workers


def network(state: TrainState) -> APINetModel:
    assert isinstance(state.model, APINetModel)
    return state.model


def partners(features: Tensor, labels: Tensor) -> list[tuple[int, int]]:
    """By two loops, in the order of the pairs."""
    found = []
    for want_same in (True, False):
        for i in range(len(labels)):
            best, partner = float("inf"), None
            for j in range(len(labels)):
                if i == j or bool(labels[i] == labels[j]) != want_same:
                    continue
                distance = float((features[i] - features[j]).square().sum())
                if distance < best:
                    best, partner = distance, j
            if partner is not None:
                found.append((i, partner))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_pairs_are_those_of_two_loops(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Few whole numbers, so that distances tie; classes of one image occur.
    features = torch.randint(0, 3, (14, 2), generator=generator).float()
    labels = torch.randint(0, 5, (14,), generator=generator)
    first, second = pairs_of(features, labels)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == partners(features, labels)
    assert (first != second).all()


def test_an_image_alone_in_its_class_has_no_partner_there() -> None:
    features = torch.tensor([[0.0], [1.0], [5.0]], requires_grad=True)
    first, second = pairs_of(features, torch.tensor([0, 0, 1]))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [
        *((0, 1), (1, 0)),
        *((0, 2), (1, 2), (2, 1)),
    ]
    one_class, _ = pairs_of(features, torch.tensor([0, 0, 0]))
    assert one_class.tolist() == [0, 1, 2]
    twins, theirs = pairs_of(torch.ones(3, 4), torch.tensor([0, 0, 0]))
    assert (twins.tolist(), theirs.tolist()) == ([0, 1, 2], [1, 0, 0])


def test_the_rank_loss_is_that_of_margin_ranking() -> None:
    generator = torch.Generator().manual_seed(2)
    own = torch.rand(50, generator=generator, requires_grad=True)
    other = torch.rand(50, generator=generator)
    found = rank_loss(own, other, margin=0.05, divisor=50)
    expected = nn.MarginRankingLoss(0.05)(own, other, torch.ones(50))
    torch.testing.assert_close(found, expected)
    (ours,) = torch.autograd.grad(found, own)
    (theirs,) = torch.autograd.grad(expected, own)
    torch.testing.assert_close(ours, theirs)
    by_hand = rank_loss(torch.tensor([0.6, 0.8]), torch.tensor([0.7, 0.7]), margin=0.05, divisor=2)
    assert by_hand.item() == pytest.approx(0.075)


def test_swapping_a_pair_with_symmetric_weights_swaps_its_logits() -> None:
    """m is made of both in one order, so the weights of both must be equal for that."""
    model = network(start(config_of("apinet"), striped())).eval()
    first_layer = model.mutual[0]
    assert isinstance(first_layer, nn.Linear)
    with torch.no_grad():
        first_layer.weight[:, 12:] = first_layer.weight[:, :12]
    generator = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, 5, 12, generator=generator)
    there, back = model.pair_logits(x, y), model.pair_logits(y, x)
    for ours, theirs in zip(there, (back[2], back[3], back[0], back[1]), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not torch.allclose(there.own_1, there.own_2)


def test_gates_as_written_out() -> None:
    model = network(start(config_of("apinet"), striped())).eval()
    generator = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, 3, 12, generator=generator)
    w1, _, w2 = model.mutual
    m = w2(w1(torch.cat([x, y], 1)))
    g_x, g_y = 1 / (1 + (-m * x).exp()), 1 / (1 + (-m * y).exp())
    expected = (x + x * g_x, x + x * g_y, y + y * g_y, y + y * g_x)
    for logits, features in zip(model.pair_logits(x, y), expected, strict=True):
        torch.testing.assert_close(logits, model.classifier(features))
    assert (w1.weight.shape, w2.weight.shape) == ((6, 24), (12, 6))


def test_a_prediction_does_not_depend_on_the_gates() -> None:
    dataset = striped()
    state, _ = train(config_of("apinet"), dataset)
    model = network(state).eval()
    images = torch.from_numpy(dataset.test.images_NCHW)
    with torch.no_grad():
        before = model.recognize(images)
        expected = model.classifier(model.features(images)).softmax(1)
        for parameter in model.mutual.parameters():
            parameter.add_(1.0)
        after = model.recognize(images)
    assert torch.equal(before.probabilities_BK, after.probabilities_BK)
    assert torch.equal(before.probabilities_BK, expected)


@pytest.mark.parametrize("rank_weight", [1.0, 0.5, 0.0])
def test_one_batch_is_one_step_of_plain_sgd(rank_weight: float) -> None:
    dataset = striped(2, num_train=8)
    changes: dict[str, Any] = {
        "num_epochs": 1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "trunk_learning_rate_scale": 0.1,
        "apinet.frozen_trunk_epochs": 0,
        "apinet.dropout": 0.0,
        "apinet.margin": 0.2,
        "apinet.rank_weight": rank_weight,
    }
    config = config_of("apinet", **changes)
    trained = start(config, dataset)
    (result,) = fit(trained, dataset)

    model = network(start(config, dataset))
    sampler = BalancedBatches(dataset.train.labels_N, classes=4, samples=4, seed=config.seed)
    (rows,) = sampler.epoch(0)
    labels = torch.from_numpy(dataset.train.labels_N[rows])
    x = model.features(torch.from_numpy(dataset.train.images_NCHW[rows]))
    label_terms, rank_terms = [], []
    for i, j in partners(x.detach(), labels):
        own_i, other_i, own_j, other_j = model.pair_logits(x[i : i + 1], x[j : j + 1])
        for own, other, of in ((own_i, other_i, labels[i]), (own_j, other_j, labels[j])):
            label_terms += [-functional.log_softmax(z, 1)[0, of] for z in (own, other)]
            gap = own.softmax(1)[0, of] - other.softmax(1)[0, of]
            rank_terms.append((0.2 - gap).clamp(min=0))
    assert len(label_terms) == 4 * 2 * 8
    label, rank = torch.stack(label_terms).mean(), torch.stack(rank_terms).mean()
    (label + rank_weight * rank).backward()
    assert result.losses["label"] == pytest.approx(label.item(), rel=1e-5)
    assert ("rank" in result.losses) == (rank_weight > 0)
    if rank_weight:
        assert result.losses["rank"] == pytest.approx(rank.item(), rel=1e-5)
    after = trained.model.state_dict()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            parameter -= (0.005 if name.startswith("trunk") else 0.05) * parameter.grad
            torch.testing.assert_close(after[name], parameter, rtol=1e-4, atol=1e-6, msg=name)


def test_the_trunks_weights_stay_through_epoch_seven_and_move_in_epoch_eight() -> None:
    config = config_of(
        "apinet", num_epochs=9, trunk_norm="batch", **{"apinet.frozen_trunk_epochs": 8}
    )
    dataset = striped()
    state = start(config, dataset)
    before = {name: p.detach().clone() for name, p in state.model.named_parameters()}
    statistics = state.model.get_buffer("trunk.1.running_mean").clone()
    for result in fit(state, dataset):
        changed = {n for n, p in state.model.named_parameters() if not torch.equal(p, before[n])}
        of_trunk = {name for name in before if name.startswith("trunk")}
        assert (of_trunk & changed) == (set() if result.epoch < 8 else of_trunk)
        assert state.method.is_watched(result.epoch) == (result.epoch >= 8)
        assert "classifier.weight" in changed
        if result.epoch == 0:
            assert not torch.equal(statistics, state.model.get_buffer("trunk.1.running_mean"))


@pytest.mark.parametrize(("num_epochs", "frozen"), [(200, 8), (100, 8), (30, 2), (15, 1), (5, 0)])
def test_a_short_run_has_its_share_of_frozen_epochs(num_epochs: int, frozen: int) -> None:
    assert APINetOptions().frozen_epochs(num_epochs) == frozen
    assert APINetOptions(frozen_trunk_epochs=3).frozen_epochs(num_epochs) == 3


def labels_of(sizes: list[int], *, seed: int = 0) -> np.ndarray:
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
    return np.random.default_rng(seed).permutation(labels)


def test_batches_have_distinct_images_of_distinct_classes() -> None:
    """That they are the same in a new process is part of the conformance suite's run there."""
    labels = labels_of([6, 9, 5, 13, 8])
    batches = BalancedBatches(labels, classes=3, samples=4, seed=1)
    assert (batches.num_batches, batches.smallest_batch) == (41 // 12, 12)
    seen: set[int] = set()
    classes: Counter[int] = Counter()
    for epoch in range(40):
        drawn = batches.epoch(epoch)
        assert len(drawn) == batches.num_batches
        for rows in drawn:
            assert sorted(Counter(labels[rows]).values()) == [4, 4, 4]
            assert len(set(rows.tolist())) == 12
            seen |= set(rows.tolist())
            classes.update(labels[rows].tolist())
    assert seen == set(range(41)), "over many epochs every image occurs"
    assert classes.keys() == set(range(5))
    again = BalancedBatches(labels, classes=3, samples=4, seed=1).epoch(7)
    for ours, theirs in zip(batches.epoch(7), again, strict=True):
        assert np.array_equal(ours, theirs)
    other = BalancedBatches(labels, classes=3, samples=4, seed=2).epoch(7)
    assert not all(np.array_equal(a, b) for a, b in zip(again, other, strict=True))
    assert not np.array_equal(batches.epoch(8)[0], again[0])


def test_a_class_goes_through_its_images_before_any_comes_again() -> None:
    labels = np.repeat([0, 1], 12).astype(np.int64)
    for rows in (
        np.concatenate(BalancedBatches(labels, classes=2, samples=4, seed=seed).epoch(0))
        for seed in range(5)
    ):
        assert sorted(rows.tolist()) == list(range(24))


def test_small_classes_give_all_they_have() -> None:
    labels = labels_of([1, 2, 7])
    batches = BalancedBatches(labels, classes=8, samples=4, seed=0)
    assert (batches.num_batches, batches.smallest_batch) == (1, 7)
    for epoch in range(3):
        (rows,) = batches.epoch(epoch)
        assert Counter(labels[rows].tolist()) == {0: 1, 1: 2, 2: 4}
        assert len(set(rows.tolist())) == 7


def test_the_loop_takes_the_methods_batches() -> None:
    dataset = striped()
    sampler = BalancedBatches(dataset.train.labels_N, classes=2, samples=3, seed=0)
    whole = list(BatchStream(dataset.train, batch_size=99, seed=5, sampler=sampler).epoch(2))
    assert len(whole) == sampler.num_batches == 8
    for batch, rows in zip(whole, sampler.epoch(2), strict=True):
        assert np.array_equal(batch.labels_B.numpy(), dataset.train.labels_N[rows])
        assert np.array_equal(batch.images_BCHW.numpy(), dataset.train.images_NCHW[rows])
        assert batch.global_size == 6
    parts = [
        list(
            BatchStream(
                dataset.train, batch_size=99, seed=5, sampler=sampler, rank=rank, world_size=2
            ).epoch(2)
        )
        for rank in range(2)
    ]
    for batch, first, second in zip(whole, *parts, strict=True):
        both = torch.cat([first.labels_B, second.labels_B])
        assert torch.equal(both, batch.labels_B)
    with pytest.raises(ConfigError, match=r"leaves a batch of 6 .* for 7 workers"):
        BatchStream(dataset.train, batch_size=99, seed=5, sampler=sampler, world_size=7)


def with_labels(labels: list[int]) -> Dataset:
    dataset = striped(num_train=len(labels))
    split = Split(
        images_NCHW=dataset.train.images_NCHW,
        labels_N=np.array(labels, dtype=np.int64),
        attributes_NA=dataset.train.attributes_NA,
    )
    return Dataset(
        name="relabelled",
        class_names=dataset.class_names,
        attribute_names=dataset.attribute_names,
        train=split,
        minival=dataset.minival,
        test=dataset.test,
    )


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [2] * 8])
def test_data_without_pairs_is_refused(labels: list[int]) -> None:
    dataset = with_labels(labels)
    state = start(config_of("apinet"), dataset)
    with pytest.raises(DataError, match="two classes or more, two of one class among them"):
        next(fit(state, dataset))


def test_a_class_of_one_image_is_learnt_from_pairs_with_others() -> None:
    _, results = train(config_of("apinet"), with_labels([0, 0, 0, 1, 2, 2]))
    assert all(np.isfinite(result.losses["label"]) for result in results)


def test_vectors_are_learnt_too() -> None:
    """The pooled features are all that it needs of a trunk."""
    state, _ = train(config_of("apinet", trunk="mlp"), striped(shape=(9, 1, 1)))
    assert network(state).trunk.map_channels is None


def test_probabilities_are_those_of_the_label() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, 2.0]])
    found = probability_of(logits, torch.tensor([1, 0]))
    torch.testing.assert_close(found, torch.tensor([torch.e / (1 + torch.e), 0.5]))


def _train(rank: int, world_size: int, folder: str) -> None:
    state, results = train(config_of("apinet"), striped())
    values = {"model": state.model.state_dict(), "losses": dict(results[-1].losses)}
    torch.save(values, f"{folder}/{world_size}-{rank}.pt")


@pytest.mark.slow
def test_several_workers_keep_one_network_though_not_that_of_one_worker(tmp_path: Path) -> None:
    in_workers(_train, 2, str(tmp_path))
    first, second = (torch.load(tmp_path / f"2-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["losses"] == second["losses"]
    for name, tensor in first["model"].items():
        assert torch.equal(second["model"][name], tensor), name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"apinet.classes_per_batch": 1}, "`apinet.classes_per_batch` must be at least 2"),
        ({"apinet.samples_per_class": 1}, "`apinet.samples_per_class` must be at least 2"),
        ({"apinet.frozen_trunk_epochs": -1}, "`apinet.frozen_trunk_epochs` must be at least 0"),
        ({"apinet.dropout": 1.0}, r"`apinet.dropout` must lie in \[0, 1\), but got 1.0"),
        ({"apinet.margin": -0.1}, "`apinet.margin` must be at least 0"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)
