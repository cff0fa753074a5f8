"""WS-DAN: pooling, boxes, draws and centres by other means, and one batch written out."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.ops import masks_to_boxes

from core.config import TrainConfig
from core.errors import ConfigError
from core.methods import check_method
from core.methods.wsdan import WSDANModel
from core.methods.wsdan._centers import Centers
from core.methods.wsdan._model import num_maps_for
from core.methods.wsdan._pooling import attention_pool
from core.methods.wsdan._regions import boxes_of, cropped, draw_maps, dropped, on_image
from core.predict import predict_split
from core.training import TrainState, fit, mix_seeds
from tests.core.methods.problems import config_of, start, striped, train


def network(state: TrainState) -> WSDANModel:
    assert isinstance(state.model, WSDANModel)
    return state.model


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_pooling_is_a_double_loop_over_maps_and_channels() -> None:
    attention, x = random(3, 4, 5, 2), random(3, 6, 5, 2, seed=1) - 0.5
    found = attention_pool(attention, x)
    for index in range(3):
        phi = torch.tensor(
            [[(attention[index, m] * x[index, c]).sum() / 10 for c in range(6)] for m in range(4)]
        )
        rooted = phi.sign() * phi.abs().sqrt()
        expected = (rooted / rooted.square().sum().sqrt()).flatten()
        torch.testing.assert_close(found[index], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))


def test_where_nothing_is_attended_to_the_vector_is_0_and_gradients_are_finite() -> None:
    attention, x = torch.zeros(1, 2, 3, 3, requires_grad=True), random(1, 4, 3, 3)
    pooled = attention_pool(attention, x)
    pooled.sum().backward()
    assert not pooled.any()
    assert attention.grad is not None
    assert attention.grad.isfinite().all()


def test_the_centre_loss_and_its_gradient_by_hand() -> None:
    centers = Centers(2, 2, step=0.5)
    centers.centers_KD.copy_(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    labels = torch.tensor([0, 1])
    loss = centers(features, labels, divisor=2)
    # ||(1, 0) - (0.6, 0.8)||^2 = 0.8 and ||(0, 1)||^2 = 1
    assert loss.item() == pytest.approx(0.9)
    loss.backward()
    # 2 (f - c) / B
    expected = torch.tensor([[0.4, -0.8], [0.0, 1.0]])
    torch.testing.assert_close(features.grad, expected)
    assert list(centers.parameters()) == []


def test_the_centre_losss_gradient_by_finite_differences() -> None:
    centers = Centers(3, 4, step=0.1).double()
    centers.centers_KD.copy_(random(3, 4))
    features = random(5, 4, seed=1).double().requires_grad_()
    labels = torch.tensor([0, 1, 1, 2, 0])
    assert torch.autograd.gradcheck(lambda x: centers(x, labels, divisor=5), features)


def test_a_centre_moves_by_both_images_of_its_class() -> None:
    centers = Centers(2, 2, step=0.5)
    features = torch.tensor([[2.0, 0.0], [2.0, 3.0], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1])
    centers.move(features, labels)
    torch.testing.assert_close(centers.centers_KD, torch.tensor([[2.0, 1.5], [0.0, 0.5]]))
    # From now on images are compared with the centre at length 1.
    centers.move(features[2:], labels[2:])
    torch.testing.assert_close(centers.centers_KD[1], torch.tensor([0.0, 0.5]))


def test_the_box_of_one_hot_cell_by_hand() -> None:
    attention = torch.zeros(1, 20, 40)
    attention[0, 4, 30] = 1
    # 0.1 of the sides are 2 and 4 pixels: rows 2 to 6, columns 26 to 34.
    assert boxes_of(attention, torch.tensor([0.5]), padding=0.1).tolist() == [[2, 7, 26, 36]]
    # Nine columns and four rows are less than a quarter, so the box grows about its middle.
    assert boxes_of(attention, torch.tensor([0.5]), padding=0.0).tolist() == [[2, 7, 26, 36]]
    attention[0, 4, 30], attention[0, 0, 39] = 0, 1
    assert boxes_of(attention, torch.tensor([0.5]), padding=0.0).tolist() == [[0, 5, 30, 40]]


def test_boxes_are_those_of_torchvision_padded() -> None:
    attention = on_image(random(30, 4, 5).pow(4), (32, 40))
    threshold = 0.4 + 0.2 * random(30, seed=1)
    found = boxes_of(attention, threshold, padding=0.1).numpy()
    masks = attention >= (threshold * attention.amax((1, 2)))[:, None, None]
    left, top, right, bottom = masks_to_boxes(masks).numpy().T
    bounds = np.stack(
        [
            np.maximum(top - 4, 0),
            np.minimum(bottom + 1 + 4, 32),
            np.maximum(left - 4, 0),
            np.minimum(right + 1 + 4, 40),
        ],
        axis=1,
    )
    assert np.array_equal(found, bounds)
    assert len(np.unique(found, axis=0)) > 10


@pytest.mark.parametrize("side", [1, 2, 3, 8, 9])
def test_boxes_lie_in_images_of_any_size_and_are_not_empty(side: int) -> None:
    attention = on_image(random(50, 2, 2).pow(6), (side, 2 * side))
    boxes = boxes_of(attention, random(50, seed=1), padding=0.1)
    top, bottom, left, right = boxes.T
    assert (top >= 0).all()
    assert (bottom <= side).all()
    assert (left >= 0).all()
    assert (right <= 2 * side).all()
    assert (4 * (bottom - top) >= side).all()
    assert (4 * (right - left) >= 2 * side).all()


def test_a_crop_is_the_interpolated_slice() -> None:
    x = random(4, 3, 10, 17) - 0.5
    boxes = torch.tensor([[0, 10, 0, 17], [2, 7, 3, 15], [9, 10, 0, 1], [0, 3, 12, 17]])
    found = cropped(x, boxes)
    for index, (top, bottom, left, right) in enumerate(boxes.tolist()):
        part = x[index : index + 1, :, top:bottom, left:right]
        expected = functional.interpolate(part, size=(10, 17), mode="bilinear")
        torch.testing.assert_close(found[index : index + 1], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[0], x[0], rtol=1e-5, atol=1e-6)


def test_an_image_that_is_constant_in_the_box_stays_constant() -> None:
    x = random(1, 1, 8, 8)
    x[0, 0, 2:5, 3:6] = 0.25
    found = cropped(x, torch.tensor([[2, 5, 3, 6]]))
    torch.testing.assert_close(found, torch.full_like(x, 0.25))


def test_what_is_attended_to_most_is_dropped_and_nothing_else() -> None:
    x = torch.ones(3, 3, 2, 2)
    attention = torch.tensor(
        [[[0.0, 0.4], [0.5, 1.0]], [[0.0, 0.0], [0.0, 0.0]], [[7.0, 7.0], [7.0, 7.0]]]
    )
    found = dropped(x, attention, torch.tensor([0.5, 0.3, 0.3]))
    expected = torch.ones(3, 2, 2)
    expected[0, 1] = 0
    assert torch.equal(found, expected[:, None].expand(-1, 3, -1, -1))


def test_without_attention_an_image_stays_as_it_is() -> None:
    x, nothing = random(2, 1, 8, 8), torch.zeros(2, 8, 8)
    threshold = torch.full((2,), 0.5)
    boxes = boxes_of(nothing, threshold, padding=0.1)
    torch.testing.assert_close(cropped(x, boxes), x)
    assert torch.equal(dropped(x, nothing, threshold), x)


def test_maps_are_drawn_by_the_roots_of_their_means() -> None:
    """Chi-square over four maps; the highest of 1000 such draws is about 16."""
    means = torch.tensor([1.0, 0.0, 4.0, 9.0])
    attention = (means[:, None, None] * torch.ones(1, 1))[None].expand(6000, -1, -1, -1)
    drawn = draw_maps(attention, random(6000)).flatten()
    counts = np.array([(drawn == mean).sum() for mean in (1.0, 4.0, 9.0)])
    expected = 6000 * np.array([1, 2, 3]) / 6
    assert ((counts - expected) ** 2 / expected).sum() < 14
    assert not (drawn == 0).any()
    edges = draw_maps(attention[:3], torch.tensor([0.0, 1 - 2**-24, 1 / 6])).flatten()
    assert edges.tolist() == [1.0, 9.0, 4.0]


def test_an_image_without_attention_gets_one_of_its_maps() -> None:
    attention = torch.zeros(40, 4, 2, 2)
    attention[20:, 1] = 1
    drawn = draw_maps(attention, random(40))
    assert not drawn[:20].any()
    assert (drawn[20:] == 1).all()


@pytest.mark.parametrize("features", ["attention", "linear"])
def test_one_batch_is_one_step_of_plain_sgd(features: str) -> None:
    dataset = striped(num_train=16)
    changes: dict[str, object] = {
        "num_epochs": 1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "learning_rate": 0.01,
        "trunk_learning_rate_scale": 0.1,
        "wsdan.classifier_learning_rate": 0.002,
        "wsdan.center_weight": 0.7,
        "wsdan.features": features,
    }
    config = config_of("wsdan", **changes)
    trained = start(config, dataset)
    network(trained).centers.centers_KD[:, 0] = 1
    (result,) = fit(trained, dataset)

    model = network(start(config, dataset))
    model.centers.centers_KD[:, 0] = 1
    order = np.random.default_rng([config.seed, 0]).permutation(16)
    labels = torch.from_numpy(dataset.train.labels_N[order])
    x = (torch.from_numpy(dataset.train.images_NCHW[order]).float() / 255 - 0.5) / 0.5
    generator = torch.Generator().manual_seed(mix_seeds(config.seed, 0, 0))
    which_crop, which_drop, crop_share, drop_share = torch.rand(4, 16, generator=generator)
    seen = model.look(x)
    attention = seen.attention_BMHW.detach()

    def drawn(uniform: torch.Tensor) -> torch.Tensor:
        maps = []
        for index in range(16):
            weights = attention[index].mean((1, 2)).sqrt().double()
            edges = (weights / weights.sum()).cumsum(0)
            maps.append(attention[index, int((edges < uniform[index]).sum())])
        return functional.interpolate(torch.stack(maps)[:, None], size=(8, 8), mode="bilinear")[
            :, 0
        ]

    crop_map, drop_map = drawn(which_crop), drawn(which_drop)
    boxes = boxes_of(crop_map, 0.4 + 0.2 * crop_share, padding=0.1)
    top = drop_map.amax((1, 2))
    hidden = drop_map >= ((0.2 + 0.3 * drop_share) * top)[:, None, None]
    views = [
        x,
        cropped(x, boxes),
        torch.where(hidden[:, None] & ~hidden.all(2).all(1)[:, None, None, None], 0, x),
    ]
    parts = [functional.cross_entropy(model.logits(model.look(view)), labels) for view in views]
    center = (model.look(x).pooled_BD - model.centers.centers_KD[labels]).square().sum(1).mean()
    (torch.stack(parts).mean() + 0.7 * center).backward()
    rates = {"trunk": 0.001, "hidden": 0.002, "classifier": 0.002}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            parameter -= rates.get(name.partition(".")[0], 0.01) * parameter.grad
    named = {"label": parts[0], "crop": parts[1], "drop": parts[2], "center": center}
    assert result.losses == pytest.approx({k: v.item() for k, v in named.items()}, rel=1e-4)
    after = trained.model.state_dict()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(after[name], parameter.detach(), rtol=1e-3, atol=1e-5)
    moved = after["centers.centers_KD"] - model.centers.centers_KD
    of_class = torch.stack([(seen.pooled_BD[labels == c]).sum(0) for c in range(4)]).detach()
    of_class[:, 0] -= 4
    torch.testing.assert_close(moved, 0.05 * of_class, rtol=1e-4, atol=1e-6)


def test_without_the_centre_loss_centres_stay() -> None:
    state, results = train(config_of("wsdan", **{"wsdan.center_weight": 0.0}), striped())
    assert set(results[0].losses) == {"label", "crop", "drop"}
    assert not network(state).centers.centers_KD.any()


def test_the_features_are_the_pooled_matrix_and_classes_two_softmaxes() -> None:
    dataset = striped()
    state, _ = train(config_of("wsdan"), dataset)
    model = network(state).eval()
    images = torch.from_numpy(dataset.test.images_NCHW)
    x = (images.float() / 255 - 0.5) / 0.5
    with torch.no_grad():
        given = model.answer(images).features_BN
        q = model.trunk.maps(x)[1]
        attention = model.attention(q)
        pooled = torch.einsum("bmhw,bchw->bmc", attention, model.reduction(q)) / 4
        rooted = pooled.sqrt().flatten(1)
        norms = rooted.norm(dim=1, keepdim=True)
        torch.testing.assert_close(given, 100 * rooted / norms, rtol=1e-3, atol=1e-3)
        mean = functional.interpolate(attention.mean(1, True), size=(8, 8), mode="bilinear")[:, 0]
        boxes = boxes_of(mean, torch.full((len(x),), 0.1), padding=0.05)
        both = [model.logits(model.look(view)).softmax(1) for view in (x, cropped(x, boxes))]
    assert given.shape[1] == model.feature_dim == 16
    found = predict_split(model, dataset.test).probabilities_NK
    np.testing.assert_allclose(found, ((both[0] + both[1]) / 2).numpy(), atol=1e-5)


def test_how_many_maps_there_are() -> None:
    counts = {1024: 32, 2048: 32, 512: 16, 256: 16, 128: 8, 64: 8, 16: 4, 20: 4}
    assert {n: num_maps_for(n) for n in counts} == counts
    for feature_dim in (12, 15, 33):
        with pytest.raises(ConfigError, match=r"multiple of 4 and at least 16 .* but got"):
            check_method(config_of("wsdan", feature_dim=feature_dim))


@pytest.mark.parametrize("trunk", ["test_resnet", "pmg:test_resnet", "test_efficientnet"])
def test_trunks_of_timm_are_trained_with_all_options_of_speed(trunk: str) -> None:
    config = config_of(
        "wsdan",
        trunk=trunk,
        trunk_norm="batch",
        num_epochs=1,
        frozen_stages=1,
        accumulation_steps=2,
        channels_last=True,
        precision="bf16",
    )
    dataset = striped(shape=(3, 32, 32), num_train=16)
    state, (result,) = train(config, dataset)
    assert np.isfinite(list(result.losses.values())).all()
    assert predict_split(state.model, dataset.test).levels_ND is not None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="'wsdan', but 'mlp' has none"):
        check_method(config_of("wsdan", trunk="mlp"))
    with pytest.raises(ConfigError, match="`compile` must be False for the method 'wsdan'"):
        check_method(config_of("wsdan", compile=True))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"wsdan.center_weight": -1}, "`wsdan.center_weight` must be at least 0, but got -1.0"),
        ({"wsdan.center_step": 2}, r"`wsdan.center_step` must lie in \[0, 1\], but got 2.0"),
        ({"wsdan.classifier_learning_rate": 0}, "must be above 0, but got 0.0"),
        ({"wsdan.features": "matrix"}, "must be one of 'attention', 'linear'"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)
