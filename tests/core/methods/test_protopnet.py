"""ProtoPNet: distances, losses, the push, the last layer and the phases."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from core.config import TrainConfig
from core.config.options import ProtoPNetOptions
from core.data import Dataset, Split
from core.errors import ConfigError
from core.methods import check_method
from core.methods._maps import classes_of_units
from core.methods.protopnet import ProtoPNet, ProtoPNetModel
from core.methods.protopnet._last_layer import all_similarities, fit_last_layer
from core.methods.protopnet._losses import cluster_loss, separation_loss, wrong_class_norm
from core.methods.protopnet._prototypes import (
    first_last_layer,
    nearest,
    similarity,
    squared_distances,
)
from core.methods.protopnet._push import Patches, push
from core.methods.protopnet._schedule import Schedule
from core.predict import predict_split
from core.training import TrainState, fit
from tests.core.methods.problems import config_of, start, striped, train
from tests.core.workers import in_workers


def network(state: TrainState) -> ProtoPNetModel:
    assert isinstance(state.model, ProtoPNetModel)
    return state.model


def cells_of(model: ProtoPNetModel, split: Split) -> Tensor:
    """(M, S, D) All cells of all images."""
    with torch.no_grad():
        return model.eval().patches(torch.from_numpy(split.images_NCHW)).flatten(2).mT


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("num_units", "num_classes", "counts"),
    [
        (1024, 200, {6: 24, 5: 176}),
        (1024, 50, {21: 24, 20: 26}),
        (1024, 20, {52: 4, 51: 16}),
        (1024, 12, {86: 4, 85: 8}),
        (7, 7, {1: 7}),
    ],
)
def test_units_are_spread_over_the_classes(
    num_units: int, num_classes: int, counts: dict[int, int]
) -> None:
    of_class = classes_of_units(num_units, num_classes).bincount()
    assert len(of_class) == num_classes
    assert {m: int((of_class == m).sum()) for m in counts} == counts
    assert of_class.tolist() == sorted(of_class.tolist(), reverse=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_distances_are_those_between_cells_and_prototypes(dtype: torch.dtype) -> None:
    map_BDHW, prototypes_ND = draw(3, 5, 2, 4).to(dtype), draw(7, 5, seed=1).to(dtype)
    prototypes_ND[0] = map_BDHW[1, :, 1, 2]
    found = squared_distances(map_BDHW, prototypes_ND)
    expected = torch.cdist(map_BDHW.flatten(2).mT, prototypes_ND).square().mT
    tolerance = 1e-9 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(found.flatten(2), expected, rtol=0, atol=tolerance)
    smallest = nearest(map_BDHW, prototypes_ND)
    torch.testing.assert_close(smallest, expected.amin(2), rtol=0, atol=tolerance)
    assert found.min() >= 0
    # Far from the origin the expanded form goes below 0 by rounding.
    far = torch.full((1, 5, 1, 1), 1e3 + 1 / 3, dtype=torch.float32)
    assert (squared_distances(far, far[:, :, 0, 0]) >= 0).all()


def test_similarity_falls_and_is_finite_at_zero() -> None:
    said = similarity(torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)).tolist()
    assert said == pytest.approx([9.210340, 0.693047, 0.182302], abs=1e-6)
    along = similarity(torch.linspace(0, 200, 5000))
    assert (along.diff() < 0).all()
    assert torch.isfinite(along).all()
    distances = draw(6).requires_grad_()
    assert torch.autograd.gradcheck(similarity, distances)


def test_losses_of_two_classes_with_two_prototypes_by_hand() -> None:
    class_of_N = torch.tensor([0, 0, 1, 1])
    distances = torch.tensor([[3.0, 1.0, 2.0, 5.0], [4.0, 6.0, 8.0, 7.0]], requires_grad=True)
    labels = torch.tensor([0, 1])
    cluster = cluster_loss(distances, labels, class_of_N, divisor=2)
    assert cluster.item() == (1 + 7) / 2
    separation = separation_loss(distances, labels, class_of_N, divisor=2)
    assert separation.item() == (2 + 4) / 2
    (gradient,) = torch.autograd.grad(separation, distances)
    assert gradient.tolist() == [[0, 0, 0.5, 0], [0.5, 0, 0, 0]], "none to own prototypes"
    (gradient,) = torch.autograd.grad(cluster, distances)
    assert gradient.tolist() == [[0, 0.5, 0, 0], [0, 0, 0, 0.5]]
    weight = torch.tensor([[9.0, 9.0, -1.0, 2.0], [-0.5, 0.25, 9.0, 9.0]], requires_grad=True)
    norm = wrong_class_norm(weight, class_of_N)
    assert norm.item() == 3.75
    (gradient,) = torch.autograd.grad(norm, weight)
    assert gradient.tolist() == [[0, 0, -1, 1], [-1, 1, 0, 0]]


def test_classes_with_more_prototypes_have_no_head_start() -> None:
    class_of_N = classes_of_units(12, 7)
    weight_KN = first_last_layer(class_of_N, 7)
    is_own = torch.arange(7)[:, None] == class_of_N
    own = torch.where(is_own, weight_KN, 0).sum(1)
    torch.testing.assert_close(own, torch.full((7,), 12 / 7))
    assert (weight_KN[~is_own] == -0.5).all()
    equal = first_last_layer(classes_of_units(12, 4), 4)
    assert set(equal.flatten().tolist()) == {1.0, -0.5}, "the published numbers for equal groups"


def test_a_push_copies_the_nearest_cell_of_the_own_class() -> None:
    dataset = striped(3, num_train=30)
    state, _ = train(config_of("protopnet", num_epochs=1), dataset)
    model = network(state)
    with torch.no_grad():
        model.prototypes_ND.copy_(draw(*model.prototypes_ND.shape, seed=4))
    before = model.prototypes_ND.detach().clone()
    cells_MSD = cells_of(model, dataset.train)
    patches = push(model, dataset.train, batch_size=len(dataset.train))
    width = 2
    for index, of_class in enumerate(model.class_of_N.tolist()):
        best, place = math.inf, (-1, -1)
        for row in np.flatnonzero(dataset.train.labels_N == of_class):
            for cell, z in enumerate(cells_MSD[row]):
                distance = (z - before[index]).square().sum().item()
                if distance < best:
                    best, place = distance, (int(row), cell)
        row, y, x = patches.places_N3[index].tolist()
        assert (row, y * width + x) == place
        assert torch.equal(model.prototypes_ND[index], cells_MSD[place])
        assert dataset.train.labels_N[row] == of_class
    distances = model.distances(cells_MSD.mT.unflatten(2, (2, 2)))
    rows = patches.places_N3[:, 0]
    assert distances[rows, torch.arange(len(rows))].max() <= 1e-6
    pushed = model.prototypes_ND.detach().clone()
    again = push(model, dataset.train, batch_size=len(dataset.train))
    assert torch.equal(model.prototypes_ND, pushed)
    assert torch.equal(again.places_N3, patches.places_N3)
    # The size of the batches decides nothing but rounding.
    with torch.no_grad():
        model.prototypes_ND.copy_(before)
    small = push(model, dataset.train, batch_size=7)
    assert torch.equal(small.places_N3, patches.places_N3)


def test_the_first_of_equal_patches_is_taken() -> None:
    dataset = striped(2, num_train=12)
    images = np.repeat(dataset.train.images_NCHW[:2], 6, axis=0)  # class 0 six times, then class 1
    train_split = Split(
        images_NCHW=images,
        labels_N=np.repeat([0, 1], 6).astype(np.int64),
        attributes_NA=np.zeros((12, 0), dtype=np.bool_),
    )
    model = network(start(config_of("protopnet"), dataset)).eval()
    for batch_size in (12, 5, 1):
        patches = push(model, train_split, batch_size=batch_size)
        assert set(patches.places_N3[:, 0].tolist()) == {0, 6}


def test_a_class_without_images_keeps_its_prototypes_and_says_so(tmp_path: Path) -> None:
    whole = striped(3, num_train=30)
    rows = np.flatnonzero(whole.train.labels_N != 1)
    split = Split(
        images_NCHW=whole.train.images_NCHW[rows],
        labels_N=whole.train.labels_N[rows],
        attributes_NA=whole.train.attributes_NA[rows],
    )
    dataset = Dataset(
        name="lacking",
        class_names=whole.class_names,
        attribute_names=whole.attribute_names,
        train=split,
        minival=whole.minival,
        test=whole.test,
    )
    with pytest.warns(UserWarning, match=r"Prototypes of classes \[1\] stay where they are"):
        state, _ = train(config_of("protopnet", num_epochs=1), dataset)
    state.method.write_files(tmp_path)
    written = json.loads((tmp_path / "prototypes.json").read_text())
    assert {p["class"] for p in written["prototypes"] if p["row"] is None} == {1}
    assert written["distinct_patches"].keys() == {"0", "2"}


def test_files_say_where_prototypes_came_from(tmp_path: Path) -> None:
    dataset = striped()
    state, _ = train(config_of("protopnet"), dataset)
    state.method.write_files(tmp_path)
    assert (tmp_path / "calibration.json").exists()
    written = json.loads((tmp_path / "prototypes.json").read_text())
    cells_MSD = cells_of(network(state), dataset.train)
    for prototype, vector in zip(written["prototypes"], network(state).prototypes_ND, strict=True):
        y, x = prototype["cell"]
        assert dataset.train.labels_N[prototype["row"]] == prototype["class"]
        torch.testing.assert_close(cells_MSD[prototype["row"], 2 * y + x], vector.detach())
    for of_class, distinct in written["distinct_patches"].items():
        own = [p for p in written["prototypes"] if p["class"] == int(of_class)]
        assert distinct == len({json.dumps(p) for p in own})


def test_the_last_layers_phase_moves_the_last_layer_alone() -> None:
    """Statistics of BatchNorm included, so prototypes are still patches after it."""
    dataset = striped()
    config = config_of("protopnet", trunk_norm="batch", **{"protopnet.last_layer_epochs": 3})
    state, _ = train(config, dataset)
    model = network(state)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert any("running_mean" in name for name in before)
    model.eval()
    similarities = all_similarities(model, dataset.train, batch_size=16)
    labels = torch.from_numpy(dataset.train.labels_N)
    fit_last_layer(
        model,
        state.method.optimizers["last_layer"],
        similarities,
        labels,
        num_epochs=3,
        batch_size=16,
        sparsity_weight=1e-4,
        seed=(0, 0),
    )
    changed = {name for name, x in model.state_dict().items() if not torch.equal(x, before[name])}
    assert changed == {"last_layer_KN"}
    method = state.method
    assert isinstance(method, ProtoPNet)
    places = method.state_dict()["patches"]["places_N3"]
    cells_MSD = cells_of(model, dataset.train)
    cells_ND = cells_MSD[places[:, 0], 2 * places[:, 1] + places[:, 2]]
    assert (cells_ND - model.prototypes_ND).square().sum(1).max() <= 1e-6
    reached = nearest(cells_MSD.mT.unflatten(2, (2, 2)), model.prototypes_ND)
    assert reached.amin(0).max() <= 1e-6


def test_the_last_layers_phase_lowers_its_loss_as_written_out() -> None:
    dataset = striped()
    model = network(start(config_of("protopnet"), dataset)).eval()
    similarities = all_similarities(model, dataset.train, batch_size=20)
    with torch.no_grad():
        expected = model.similarities(model.patches(torch.from_numpy(dataset.train.images_NCHW)))
    torch.testing.assert_close(similarities, expected)
    labels = torch.from_numpy(dataset.train.labels_N)
    weight = model.last_layer_KN.detach().clone().requires_grad_()
    norm = torch.where(torch.arange(4)[:, None] == model.class_of_N, 0, weight).abs().sum()
    loss = functional.cross_entropy(similarities @ weight.T, labels) + 0.01 * norm
    loss.backward()
    optimizer = torch.optim.SGD([model.last_layer_KN], lr=0.1)
    fit_last_layer(
        model,
        optimizer,
        similarities,
        labels,
        num_epochs=1,
        batch_size=len(labels),
        sparsity_weight=0.01,
        seed=(0, 0),
    )
    assert weight.grad is not None
    torch.testing.assert_close(model.last_layer_KN, weight.detach() - 0.1 * weight.grad)


def test_one_batch_is_one_step_as_written_out() -> None:
    dataset = striped(num_train=16)
    changes: dict[str, Any] = {
        "num_epochs": 2,
        "trunk_learning_rate_scale": 0.1,
        "protopnet.warm_epochs": 0,
        "protopnet.push_every": 2,
        "protopnet.network_weight_decay": 0.0,
        "protopnet.cluster_weight": 0.7,
        "protopnet.separation_weight": 0.3,
    }
    config = config_of("protopnet", **changes)
    trained = start(config, dataset)
    result = next(fit(trained, dataset))  # the first epoch, which ends without a push

    model = network(start(config, dataset))
    order = np.random.default_rng([config.seed, 0]).permutation(16)
    labels = torch.from_numpy(dataset.train.labels_N[order])
    cells_BSD = model.patches(torch.from_numpy(dataset.train.images_NCHW[order])).flatten(2).mT
    d_BN = torch.cdist(cells_BSD, model.prototypes_ND).square().amin(1)
    logits = ((d_BN + 1) / (d_BN + 1e-4)).log() @ model.last_layer_KN.detach().T
    label = functional.cross_entropy(logits, labels)
    own = labels[:, None] == model.class_of_N
    cluster = torch.stack([d[mine].min() for d, mine in zip(d_BN, own, strict=True)]).mean()
    separation = torch.stack([d[~mine].min() for d, mine in zip(d_BN, own, strict=True)]).mean()
    (label + 0.7 * cluster - 0.3 * separation).backward()
    expected = {"label": label, "cluster": cluster, "separation": separation}
    for name, value in expected.items():
        assert result.losses[name] == pytest.approx(value.item(), rel=1e-4)
    assert result.losses["last_layer_sparsity"] == 0.5 * 12 * 3
    after = trained.model.state_dict()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name == "last_layer_KN":
                assert torch.equal(after[name], parameter)
                continue
            assert parameter.grad is not None
            # Adam's first step goes by the sign alone.
            rate = 3e-4 if name.startswith("trunk") else 3e-3
            parameter -= rate * parameter.grad / (parameter.grad.abs() + 1e-8)
            torch.testing.assert_close(after[name], parameter, rtol=1e-3, atol=2e-5, msg=name)


def test_the_warm_up_leaves_the_trunk_as_it_is() -> None:
    """Statistics of BatchNorm included; afterwards they move."""
    config = config_of(
        "protopnet", num_epochs=3, trunk_norm="batch", **{"protopnet.warm_epochs": 2}
    )
    dataset = striped()
    state = start(config, dataset)
    before = {name: x.clone() for name, x in state.model.state_dict().items()}
    for result in fit(state, dataset):
        same = {n for n, x in state.model.state_dict().items() if torch.equal(x, before[n])}
        of_trunk = {name for name in before if name.startswith("trunk")}
        if result.epoch < 2:
            assert of_trunk <= same
        else:
            assert not of_trunk & same
        assert not {"prototypes_ND", "add_on.0.weight"} & same


@pytest.mark.parametrize(
    ("num_epochs", "warm", "pushes", "decays"),
    [
        (40, 10, [20, 30, 40], {25: 0.1}),
        (200, 10, [*range(20, 201, 10)], {25: 0.1, 40: 0.01, 55: 0.001}),
        (30, 7, [14, 21, 28, 30], {18: 0.1, 29: 0.01}),
        (15, 3, [6, 9, 12, 15], {8: 0.1, 13: 0.01}),
        (1, 0, [1], {}),
    ],
)
def test_phases_of_a_budget(
    num_epochs: int, warm: int, pushes: list[int], decays: dict[int, float]
) -> None:
    schedule = Schedule.of(ProtoPNetOptions(), num_epochs=num_epochs, has_first_weights=True)
    assert [schedule.is_warm(epoch) for epoch in range(num_epochs)] == [
        epoch < warm for epoch in range(num_epochs)
    ]
    assert [e + 1 for e in range(num_epochs) if schedule.ends_with_push(e)] == pushes
    for epoch, decay in decays.items():
        assert schedule.decay(epoch) == pytest.approx(decay)
        assert schedule.decay(epoch - 1) == pytest.approx(10 * decay)


def test_a_trunk_from_random_weights_has_no_warm_up_unless_told() -> None:
    schedule = Schedule.of(ProtoPNetOptions(), num_epochs=40, has_first_weights=False)
    assert not any(schedule.is_warm(epoch) for epoch in range(40))
    assert [e + 1 for e in range(40) if schedule.ends_with_push(e)] == [10, 20, 30, 40]
    told = ProtoPNetOptions(warm_epochs=3)
    schedule = Schedule.of(told, num_epochs=40, has_first_weights=False)
    assert sum(schedule.is_warm(epoch) for epoch in range(40)) == 3


def test_step_sizes_fall_but_not_the_last_layers() -> None:
    options = {"protopnet.warm_epochs": 0, "protopnet.decay_every": 1}
    config = config_of("protopnet", num_epochs=3, schedule="constant", **options)
    state, _ = train(config, striped())
    rates = {
        name: pytest.approx([group["lr"] for group in optimizer.param_groups])
        for name, optimizer in state.method.optimizers.items()
    }
    assert rates == {"trunk": [3e-5], "prototypes": [3e-5, 3e-5], "last_layer": [1e-4]}


def test_early_stopping_looks_at_pushes_alone() -> None:
    config = config_of("protopnet", num_epochs=9, **{"protopnet.push_every": 3})
    method = start(config, striped()).method
    assert [epoch for epoch in range(9) if method.is_watched(epoch)] == [3, 6, 8]


def test_pooled_maps_are_features_and_levels_take_their_place() -> None:
    dataset = striped()
    config = config_of("protopnet", num_bits=8, **{"protopnet.features": "pooled"})
    state, _ = train(config, dataset)
    model = network(state).eval()
    assert model.prototypes_ND.shape == (12, 12)
    images = torch.from_numpy(dataset.test.images_NCHW)
    with torch.no_grad():
        map_BDHW = model.patches(images)
        features, classify, _ = model.answer(images)
        assert torch.equal(features, map_BDHW.flatten(2).amax(2))
        logits = model.similarities(map_BDHW) @ model.last_layer_KN.T
        torch.testing.assert_close(classify(features), logits.softmax(1))
        assert not torch.allclose(classify(features * 0), logits.softmax(1))
    outputs = predict_split(model, dataset.test)
    assert outputs.quantized_probabilities_NK is not None
    # With 255 steps the levels' numbers are the features but for little.
    np.testing.assert_allclose(
        outputs.quantized_probabilities_NK.argmax(1), outputs.probabilities_NK.argmax(1)
    )


def test_prototypes_have_as_many_channels_as_told() -> None:
    for given, expected in ((None, 16), (5, 5)):
        config = config_of("protopnet", **{"protopnet.prototype_channels": given})
        assert network(start(config, striped())).prototypes_ND.shape == (12, expected)


def _push_over_workers(rank: int, world_size: int, folder: str) -> None:
    dataset = striped(3, num_train=30)
    model = network(start(config_of("protopnet"), dataset)).eval()
    patches = push(model, dataset.train, batch_size=7)
    similarities = all_similarities(model, dataset.train, batch_size=7)
    values = {"places": patches.places_N3, "prototypes": model.prototypes_ND.detach()}
    torch.save({**values, "similarities": similarities}, f"{folder}/{world_size}-{rank}.pt")


@pytest.mark.slow
def test_workers_push_as_one_does(tmp_path: Path) -> None:
    _push_over_workers(0, 1, str(tmp_path))
    in_workers(_push_over_workers, 2, str(tmp_path))
    alone, *both = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")
    )
    for other in both:
        assert all(torch.equal(other[name], value) for name, value in alone.items())


def test_a_network_goes_back_with_its_patches() -> None:
    dataset = striped()
    state, _ = train(config_of("protopnet"), dataset)
    kept = state.method.state_dict()
    other = start(config_of("protopnet"), dataset)
    assert other.method.state_dict() == {"patches": None}
    other.method.load_state_dict(kept)
    assert isinstance(other.method, ProtoPNet)
    assert isinstance(other.method._patches, Patches)
    assert torch.equal(
        other.method.state_dict()["patches"]["places_N3"], kept["patches"]["places_N3"]
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"protopnet.warm_epochs": -1}, "`protopnet.warm_epochs` must be at least 0, or be None"),
        ({"protopnet.push_every": 0}, "`protopnet.push_every` must be at least 1, or be None"),
        ({"protopnet.cluster_weight": -0.1}, "`protopnet.cluster_weight` must be at least 0"),
        ({"protopnet.prototype_learning_rate": 0}, "must be above 0, but got 0"),
        (
            {"protopnet.features": "pooled", "protopnet.prototype_channels": 4},
            "must be None where `protopnet.features` is 'pooled'",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)


def test_what_cannot_be_trained_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ConfigError, match="must have feature maps for the method 'protopnet'"):
        check_method(config_of("protopnet", trunk="mlp"))
    with pytest.raises(ConfigError, match="`compile` must be False for the method 'protopnet'"):
        check_method(config_of("protopnet", compile=True))
    with pytest.raises(ConfigError, match=r"at least the number of classes, 4, .* got 3"):
        start(config_of("protopnet", feature_dim=3), striped())
    with pytest.raises(ConfigError, match="must have two classes or more"):
        start(config_of("protopnet"), striped(1))
