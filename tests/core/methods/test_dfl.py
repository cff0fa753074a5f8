"""DFL-CNN: the bank by brute force, where it begins, and one batch written out."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn import functional

from core.config import TrainConfig
from core.data import Dataset, Split
from core.errors import ConfigError, DataError
from core.methods import METHODS, check_method
from core.methods._maps import classes_of_units
from core.methods.dfl import DFL, DFLModel
from core.methods.dfl._bank import FilterBank
from core.methods.dfl._patches import FirstFilters, first_filters, peaks_of
from core.methods.dfl._whiten import cross_class_cosine, unit_rows, whitened
from core.predict import predict_split
from core.training import Timer, TrainState, fit
from tests.core.methods.problems import config_of, start, striped, train


def network(state: TrainState) -> DFLModel:
    assert isinstance(state.model, DFLModel)
    return state.model


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_units_are_spread_over_the_classes_of_the_papers_data_sets() -> None:
    for num_classes, more, least in ((200, 24, 5), (50, 24, 20), (20, 4, 51), (12, 4, 85)):
        counts = torch.bincount(classes_of_units(1024, num_classes)).tolist()
        assert counts == [least + 1] * more + [least] * (num_classes - more)
    with pytest.raises(ConfigError, match=r"at least the number of classes, 7, .* but got 6: "):
        classes_of_units(6, 7)


def test_responses_are_the_highest_dot_products_over_the_cells() -> None:
    bank = FilterBank(5, num_filters=7, num_classes=3)
    x = random(2, 5, 3, 4) - 0.5
    found = bank(x)
    weight, bias = bank.filters.weight[:, :, 0, 0], bank.filters.bias
    assert bias is not None
    for image, unit in itertools.product(range(2), range(7)):
        responses = [
            weight[unit] @ x[image, :, i, j] + bias[unit]
            for i, j in itertools.product(range(3), range(4))
        ]
        assert found[image, unit].item() == pytest.approx(max(responses).item(), abs=1e-6)


@pytest.mark.parametrize(("num_filters", "num_classes"), [(12, 4), (11, 4)])
def test_the_side_branch_is_the_mean_of_each_classs_own_filters(
    num_filters: int, num_classes: int
) -> None:
    bank = FilterBank(3, num_filters=num_filters, num_classes=num_classes)
    responses = random(5, num_filters) - 0.5
    groups = [range(3), range(3, 6), range(6, 9), range(9, num_filters)]
    expected = torch.stack([responses[:, list(group)].mean(1) for group in groups], dim=1)
    torch.testing.assert_close(bank.side(responses), expected)
    if num_filters == 12:
        pooled = functional.avg_pool1d(responses[:, None], 3)[:, 0]
        torch.testing.assert_close(bank.side(responses), pooled)
    shuffled = responses.clone()
    shuffled[:, [0, 1, 2]] = responses[:, [2, 0, 1]]
    torch.testing.assert_close(bank.side(shuffled), bank.side(responses))
    assert not torch.allclose(bank.side(responses.flip(1)), bank.side(responses))


def test_peaks_are_the_highest_of_their_neighbourhoods() -> None:
    energy = torch.tensor(
        [
            [9.0, 1.0, 2.0, 1.0, 0.0],
            [1.0, 1.0, 1.0, 1.0, 0.0],
            [1.0, 3.0, 1.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [5.0, 0.0, 6.0, 0.0, 4.0],
        ]
    )
    # Six cells are highest around them; 2 is the lowest of them and goes.
    expected = {(0, 0), (2, 1), (4, 0), (4, 2), (4, 4)}
    found = peaks_of(torch.stack([0.6 * energy, 0.8 * energy])[None]).reshape(5, 5)
    assert {tuple(cell) for cell in found.nonzero().tolist()} == expected
    assert not peaks_of(torch.zeros(2, 3, 4, 4)).any()


def planted(*, seed: int = 0, other_classes: float = 1.0) -> tuple[Split, torch.Tensor]:
    """Maps of two classes with patches of three kinds each, and the kinds (2, 3, 8)."""
    generator, elsewhere = (torch.Generator().manual_seed(seed + i) for i in (0, 100))
    kinds = torch.linalg.qr(torch.randn(8, 8, generator=generator))[0][:6].reshape(2, 3, 8)
    labels = torch.arange(20) % 2
    maps = 0.05 * torch.rand(20, 8, 7, 7, generator=generator)
    for image, label in enumerate(labels.tolist()):
        for place, (i, j) in enumerate(itertools.product((0, 3, 6), (1, 5))):
            vector = kinds[label, place % 3] + 0.05 * torch.randn(8, generator=generator)
            maps[image, :, i, j] = (1 + place) * vector * (other_classes if label else 1)
            if label and other_classes != 1:
                maps[image, :, i, j] += torch.randn(8, generator=elsewhere)
    split = Split(
        images_NCHW=maps.numpy(),
        labels_N=labels.numpy(),
        attributes_NA=np.zeros((20, 0), dtype=np.bool_),
    )
    return split, kinds


def found_in(split: Split, classes: list[int], *, seed: int = 0) -> FirstFilters:
    return first_filters(lambda x: x, split, np.array(classes), batch_size=6, seed=seed)


def test_planted_patches_are_found_up_to_their_order() -> None:
    split, kinds = planted()
    found = found_in(split, [0, 0, 0, 1, 1, 1])
    assert len(found.patches_PC) == 100
    np.testing.assert_allclose(np.linalg.norm(found.patches_PC, axis=1), 1, rtol=1e-5)
    for label in (0, 1):
        centers = unit_rows(found.centers_MC[3 * label : 3 * label + 3])
        cosine = centers @ kinds[label].numpy().T
        rows, columns = linear_sum_assignment(-cosine)
        assert cosine[rows, columns].min() > 0.99
    assert found.filter_M.tolist() == [0, 1, 2, 3, 4, 5]


def test_unwhitened_filters_do_not_depend_on_other_classes_and_whitened_ones_do() -> None:
    classes = [0, 0, 0, 1, 1, 1]
    found, other = (found_in(planted(other_classes=f)[0], classes) for f in (1.0, 3.0))
    assert np.array_equal(found.centers_MC[:3], other.centers_MC[:3])
    assert not np.array_equal(found.centers_MC[3:], other.centers_MC[3:])
    ours, theirs = (whitened(f.centers_MC, f.patches_PC, f.class_P) for f in (found, other))
    assert not np.allclose(ours[:3], theirs[:3], rtol=1e-2)


def test_whitening_is_linear_discriminant_analysis_with_a_ridge() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], (30, 20, 10))
    patches = rng.normal(size=(60, 4)) @ np.diag([1, 2, 3, 4]) + labels[:, None]
    centers = np.stack([patches[labels == c].mean(0) for c in range(3)])
    reference = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True)
    covariance = reference.fit(patches, labels).covariance_
    ridge = 0.1 * np.trace(covariance) / 4 * np.eye(4)
    expected = np.linalg.inv(covariance + ridge) @ (centers - patches.mean(0)).T
    found = whitened(centers.astype(np.float32), patches.astype(np.float32), labels)
    np.testing.assert_allclose(found, expected.T, rtol=1e-3, atol=1e-4)
    alike = np.ones((3, 4), dtype=np.float32)
    same = whitened(2 * alike, alike, np.arange(3))
    np.testing.assert_allclose(same, 1)


def test_whitening_sets_classes_apart() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(5), 40)
    shared = np.array([6.0, 0, 0, 0, 0, 0, 0, 0])
    kinds = rng.normal(size=(5, 8))
    patches = shared + kinds[labels] + rng.normal(size=(200, 8)) * 0.3
    patches = unit_rows(patches.astype(np.float32))
    centers = np.stack([patches[labels == c].mean(0) for c in range(5)])
    classes = np.arange(5)
    before = cross_class_cosine(centers, classes)
    after = cross_class_cosine(whitened(centers, patches, labels), classes)
    assert before is not None
    assert after is not None
    assert before > 0.7
    assert after < 0.3
    assert cross_class_cosine(np.eye(2, dtype=np.float32), np.arange(2)) == 0
    assert cross_class_cosine(np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.int64)) is None


def test_a_class_with_few_peaks_takes_other_cells_and_then_has_no_more() -> None:
    maps = np.zeros((2, 3, 2, 2), dtype=np.float32)
    maps[0, :, 0, 0], maps[0, :, 1, 1] = (9, 0, 0), (0, 2, 0)
    maps[1, :, 0, 0] = (0, 0, 5)
    split = Split(
        images_NCHW=maps,
        labels_N=np.array([0, 1]),
        attributes_NA=np.zeros((2, 0), dtype=np.bool_),
    )
    found = found_in(split, [0, 0, 0, 1, 2])
    # Class 0 has one peak, one other cell and no third; class 2 has no image.
    assert found.centers_MC.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert found.filter_M.tolist() == [0, 1, 3]
    empty = Split(
        images_NCHW=0 * maps,
        labels_N=np.array([0, 1]),
        attributes_NA=np.zeros((2, 0), dtype=np.bool_),
    )
    with pytest.raises(DataError, match="must not be 0 for all training images"):
        found_in(empty, [0, 1])


@pytest.mark.parametrize("whiten", [True, False])
def test_a_run_begins_at_patches_of_length_1_and_leaves_the_trunk(
    whiten: bool, tmp_path: Path
) -> None:
    config = config_of("dfl", trunk_norm="batch", **{"dfl.whiten": whiten})
    dataset = striped()
    state = start(config, dataset)
    before = {name: value.clone() for name, value in state.model.trunk.state_dict().items()}
    state.method.prepare(dataset.train, Timer())
    model = network(state)
    assert model.training
    for name, value in model.trunk.state_dict().items():
        assert torch.equal(value, before[name]), name
    weight = model.bank.filters.weight[:, :, 0, 0].detach()
    torch.testing.assert_close(weight.norm(dim=1), torch.ones(12))
    assert model.bank.filters.bias is not None
    assert not model.bank.filters.bias.any()
    model.eval()
    with torch.no_grad():
        found = first_filters(
            lambda x: model.first_map(model.normalized(x)),
            dataset.train,
            np.repeat(np.arange(4), 3),
            batch_size=16,
            seed=config.seed,
        )
    expected = found.centers_MC
    if whiten:
        expected = whitened(expected, found.patches_PC, found.class_P)
    np.testing.assert_allclose(weight.numpy(), unit_rows(expected), rtol=1e-4, atol=1e-5)
    # Where a run goes on within its first epoch, they are weights like others.
    model.bank.filters.weight.data.fill_(3)
    state.method.prepare(dataset.train, Timer())
    assert (model.bank.filters.weight == 3).all()
    list(fit(state, dataset))
    state.method.write_files(tmp_path)
    written = json.loads((tmp_path / "bank.json").read_text())
    classes = np.repeat(np.arange(4), 3)
    assert written["cosine_of_patches"] == pytest.approx(
        cross_class_cosine(found.centers_MC, classes), abs=1e-4
    )
    assert written["cosine"] == pytest.approx(cross_class_cosine(expected, classes), abs=1e-4)
    assert written["random_filters"] == 0


def test_filters_without_a_patch_stay_random_and_that_is_said() -> None:
    whole = striped()
    kept = whole.train.labels_N != 3
    dataset = Dataset(
        name="three",
        class_names=whole.class_names,
        attribute_names=whole.attribute_names,
        train=Split(
            images_NCHW=whole.train.images_NCHW[kept],
            labels_N=whole.train.labels_N[kept],
            attributes_NA=whole.train.attributes_NA[kept],
        ),
        minival=whole.minival,
        test=whole.test,
    )
    state = start(config_of("dfl"), dataset)
    before = network(state).bank.filters.weight.detach().clone()
    with pytest.warns(UserWarning, match="3 of 12 filters begin at random"):
        state.method.prepare(dataset.train, Timer())
    after = network(state).bank.filters.weight
    assert torch.equal(after[9:], before[9:])
    assert not torch.equal(after[:9], before[:9])


@pytest.mark.parametrize(
    ("features", "side_weight"), [("bank", 0.1), ("bank", 0.0), ("joint", 0.3)]
)
def test_one_batch_is_one_step_of_plain_sgd(features: str, side_weight: float) -> None:
    dataset = striped(num_train=16)
    changes: dict[str, object] = {
        "num_epochs": 1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "trunk_learning_rate_scale": 0.1,
        "dfl.features": features,
        "dfl.side_weight": side_weight,
    }
    config = config_of("dfl", **changes)
    trained = start(config, dataset)
    (result,) = fit(trained, dataset)

    state = start(config, dataset)
    state.method.prepare(dataset.train, Timer())
    model = network(state)
    order = np.random.default_rng([config.seed, 0]).permutation(16)
    labels = torch.from_numpy(dataset.train.labels_N[order])
    x = (torch.from_numpy(dataset.train.images_NCHW[order]).float() / 255 - 0.5) / 0.5
    p, q = model.trunk.maps(x)
    responses = model.bank.filters(p).flatten(2).amax(2)
    side = responses.reshape(16, 4, 3).mean(2)
    if features == "joint":
        assert model.projection is not None
        joint = model.projection(torch.cat([q.mean((2, 3)), responses], 1))
        parts = {"label": functional.cross_entropy(model.classifier(joint), labels)}
    else:
        assert model.whole is not None
        parts = {
            "label": functional.cross_entropy(model.classifier(responses), labels),
            "whole": functional.cross_entropy(model.whole(q.mean((2, 3))), labels),
        }
    loss = torch.stack(list(parts.values())).sum()
    if side_weight:
        parts["side"] = functional.cross_entropy(side, labels)
        loss = loss + side_weight * parts["side"]
    loss.backward()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            parameter -= (0.005 if name.startswith("trunk") else 0.05) * parameter.grad
    assert result.losses == pytest.approx({k: v.item() for k, v in parts.items()}, rel=1e-4)
    after = trained.model.state_dict()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(after[name], parameter.detach(), rtol=1e-3, atol=1e-5)


def test_the_side_loss_reaches_bank_and_trunk_and_no_other_layer() -> None:
    dataset = striped()
    model = network(start(config_of("dfl"), dataset))
    logits = model.logits(model.streams(torch.from_numpy(dataset.train.images_NCHW[:8])))
    logits["side"].square().sum().backward()
    reached = {name.partition(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert reached == {"trunk", "bank"}


@pytest.mark.parametrize("features", ["bank", "joint"])
def test_classes_are_those_of_all_streams_and_features_the_responses(features: str) -> None:
    dataset = striped()
    state, _ = train(config_of("dfl", **{"dfl.features": features}), dataset)
    model = network(state).eval()
    images = torch.from_numpy(dataset.test.images_NCHW)
    with torch.no_grad():
        streams = model.streams(images)
        logits = model.logits(streams)
        expected = logits["label"]
        if features == "bank":
            expected = expected + logits["whole"] + 0.1 * logits["side"]
            assert torch.equal(model.answer(images).features_BN, streams.responses_BN)
    found = predict_split(model, dataset.test)
    np.testing.assert_allclose(found.probabilities_NK, expected.softmax(1).numpy(), atol=1e-5)
    assert found.levels_ND is not None
    assert found.levels_ND.shape[1] == 12


def test_features_that_are_all_positive_keep_their_levels() -> None:
    """Alg. 2's clamp of the zero point would put all of them into the highest."""
    dataset = striped()
    state, _ = train(config_of("dfl"), dataset)
    model = network(state)
    assert model.bank.filters.bias is not None
    plain = predict_split(model, dataset.test).levels_ND
    model.bank.filters.bias.data += 50
    model.calibrate(dataset.minival, batch_size=16)
    moved = predict_split(model, dataset.test).levels_ND
    assert plain is not None
    assert moved is not None
    assert model.quantizer.shift > 0
    assert np.abs(moved.astype(int) - moved.min() - (plain.astype(int) - plain.min())).max() <= 1
    assert len(np.unique(moved)) >= 6


def test_random_filters_are_left_alone() -> None:
    config = config_of("dfl", **{"dfl.first_filters": "random"})
    dataset = striped()
    state = start(config, dataset)
    before = network(state).bank.filters.weight.detach().clone()
    state.method.prepare(dataset.train, Timer())
    assert torch.equal(network(state).bank.filters.weight, before)


@pytest.mark.parametrize("trunk", ["test_resnet", "pmg:test_resnet", "test_convnext"])
def test_trunks_of_timm_are_trained(trunk: str) -> None:
    config = config_of("dfl", trunk=trunk, trunk_norm="batch", num_epochs=1, accumulation_steps=2)
    dataset = striped(shape=(3, 32, 32), num_train=16)
    state, (result,) = train(config, dataset)
    assert np.isfinite(list(result.losses.values())).all()
    assert predict_split(state.model, dataset.test).levels_ND is not None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="'dfl', but 'mlp' has none"):
        check_method(config_of("dfl", trunk="mlp"))
    with pytest.raises(ConfigError, match="at least the number of classes, 4"):
        start(config_of("dfl", feature_dim=3), striped())
    with pytest.raises(ConfigError, match=r"`dfl.side_weight` must be at least 0, but got -1\.0"):
        TrainConfig.from_dict({"dfl.side_weight": -1})
    with pytest.raises(ConfigError, match="must be one of 'patches', 'random'"):
        TrainConfig.from_dict({"dfl.first_filters": "zeros"})
    assert METHODS["dfl"] is DFL
