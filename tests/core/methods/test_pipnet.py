"""PIP-Net: views, losses, presences as levels, and the phases."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.config import TrainConfig
from core.config.options import PIPNetOptions
from core.errors import ConfigError
from core.methods import check_method
from core.methods.pipnet import PIPNetModel
from core.methods.pipnet._losses import align_loss, class_scores, tanh_loss
from core.methods.pipnet._views import draw_factors, view
from core.predict import predict_split
from core.training import TrainState, fit, mix_seeds
from tests.core.methods.problems import config_of, start, striped, train


def network(state: TrainState) -> PIPNetModel:
    assert isinstance(state.model, PIPNetModel)
    return state.model


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cells(*shape: int, seed: int = 0) -> Tensor:
    return (4 * draw(*shape, seed=seed)).softmax(1)


def test_alignment_is_that_of_two_loops_and_each_view_has_the_other_as_target() -> None:
    first, second = cells(3, 5, 2, 4), cells(3, 5, 2, 4, seed=1)
    terms = [
        -math.log(sum(first[b, n, y, x] * second[b, n, y, x] for n in range(5)))
        for b in range(3)
        for y in range(2)
        for x in range(4)
    ]
    found = align_loss(first, second, divisor=3)
    assert found.item() == pytest.approx(np.mean(terms), rel=1e-6)
    assert align_loss(first, second, divisor=12).item() == pytest.approx(found.item() / 4)
    one_hot = torch.zeros(2, 5, 2, 2)
    one_hot[:, 3] = 1
    assert align_loss(one_hot, one_hot, divisor=2).item() == pytest.approx(0, abs=1e-6)
    # By hand: d/dp of -log <p, q> is -q / <p, q>, a half of it in the mean of both directions.
    first.requires_grad_()
    (gradient,) = torch.autograd.grad(align_loss(first, second, divisor=3), first)
    inner = (first * second).sum(1, keepdim=True)
    torch.testing.assert_close(
        gradient, (-second / inner / (2 * 8 * 3)).detach(), rtol=1e-5, atol=0
    )


def test_the_tanh_loss_asks_every_prototype_to_occur() -> None:
    presence = torch.tensor([[0.5, 0.0, 1.0], [0.5, 0.25, 1.0]], dtype=torch.float64)
    expected = -np.mean(np.log(np.tanh([1.0, 0.25, 2.0])))
    assert tanh_loss(presence).item() == pytest.approx(expected, rel=1e-5)
    assert torch.autograd.gradcheck(tanh_loss, draw(4, 3).requires_grad_())
    never = tanh_loss(torch.zeros(4, 3))
    assert torch.isfinite(never)
    assert never > tanh_loss(presence)


def test_class_scores_by_hand() -> None:
    presence = torch.tensor([[0.5, 1.0]])
    weight = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    scores = class_scores(presence, weight, exponent=2)
    assert scores.tolist() == [pytest.approx([math.log(2), math.log(10)])]
    linear = class_scores(presence, weight, exponent=1)
    assert linear.tolist() == [pytest.approx([math.log(2), math.log(4)])]


@pytest.mark.parametrize("bits", [1, 3, 4, 8])
def test_a_level_is_the_presence_in_steps(bits: int) -> None:
    """Nothing is calibrated: the range is [0, 1] before training and after."""
    dataset = striped()
    state, _ = train(config_of("pipnet", num_bits=bits), dataset)
    model = network(state).eval()
    images = torch.from_numpy(dataset.test.images_NCHW)
    with torch.no_grad():
        of_cells = model.cells(images)
        torch.testing.assert_close(of_cells.sum(1), torch.ones_like(of_cells[:, 0]))
        presence = of_cells.flatten(2).max(2).values
        expected = (2**bits - 1) * presence
    outputs = predict_split(model, dataset.test)
    assert outputs.levels_ND is not None
    levels = torch.from_numpy(outputs.levels_ND)
    assert ((levels - expected).abs() <= 0.5 + 1e-4).all()
    assert bits == 1 or levels.unique().numel() >= 3
    assert (model.quantizer.low, model.quantizer.high) == (0, 1)
    numbers = levels / (2**bits - 1)
    scores = (1 + (numbers @ model.classifier_KN.T) ** 2).detach()
    np.testing.assert_allclose(
        outputs.quantized_probabilities_NK, scores / scores.sum(1, keepdim=True), rtol=1e-4
    )
    untrained = network(start(config_of("pipnet", num_bits=bits), dataset))
    assert predict_split(untrained, dataset.test).levels_ND is not None


def views_by_hand(image: Tensor, factors: list[float]) -> Tensor:
    """One pixel after another."""
    brightness, contrast, colour, sharpness = factors
    channels, height, width = image.shape
    x = (image * brightness).clamp(0, 1)
    x = (x.mean() + contrast * (x - x.mean())).clamp(0, 1)
    if channels == 3:
        grey = 0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2]
        x = (grey + colour * (x - grey)).clamp(0, 1)
    result = torch.empty_like(x)
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                blur = x[c, max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].mean()
                result[c, i, j] = blur + sharpness * (x[c, i, j] - blur)
    return result.clamp(0, 1)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_views_are_those_made_pixel_by_pixel(channels: int) -> None:
    images = draw(2, channels, 4, 3)
    factors = torch.tensor([[0.7, 1.4, 0.2, 1.8], [1.3, 0.5, 1.6, 0.1]], dtype=torch.float64)
    found = view(images, factors)
    for image, row, expected in zip(images, factors.tolist(), found, strict=True):
        torch.testing.assert_close(views_by_hand(image, row), expected)
    torch.testing.assert_close(view(images, torch.ones(2, 4)), images)
    single = view(draw(1, channels, 1, 1), torch.full((1, 4), 1.2))
    assert single.shape == (1, channels, 1, 1)


def test_factors_are_drawn_around_one() -> None:
    generator = torch.Generator().manual_seed(0)
    factors = draw_factors(4000, strength=0.3, generator=generator)
    assert factors.shape == (4000, 4)
    assert 0.7 <= factors.min() < 0.701
    assert 1.299 < factors.max() <= 1.3
    torch.testing.assert_close(factors.mean(0), torch.ones(4), atol=0.01, rtol=0)
    none = draw_factors(3, strength=0, generator=generator)
    assert torch.equal(none, torch.ones(3, 4))


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_one_batch_is_one_step_as_written_out(epoch: int) -> None:
    """Without labels in two epochs, with a rising weight; then with them."""
    dataset = striped(num_train=16)
    changes: dict[str, Any] = {
        "num_epochs": epoch + 1,
        "schedule": "constant",
        "trunk_learning_rate_scale": 0.5,
        "pipnet.pretrain_epochs": 2,
        "pipnet.frozen_trunk_epochs": 1,
        "pipnet.align_weight": 0.9,
        "pipnet.class_weight": 1.7,
        "pipnet.tanh_weight": 0.4,
        "pipnet.pretrain_tanh_weight": 3.0,
    }
    config = config_of("pipnet", **changes)
    state = start(config, dataset)
    results = fit(state, dataset)
    for _ in range(epoch):
        next(results)
    before = {name: p.detach().clone() for name, p in state.model.named_parameters()}
    model = network(start(config, dataset))
    model.load_state_dict(state.model.state_dict())
    result = next(results)

    order = np.random.default_rng([config.seed, epoch]).permutation(16)
    labels = torch.from_numpy(dataset.train.labels_N[order])
    images = torch.from_numpy(dataset.train.images_NCHW[order]) / 255
    generator = torch.Generator().manual_seed(mix_seeds(config.seed, epoch, 0))
    drawn = [1 + 0.4 * (2 * torch.rand(16, 4, generator=generator) - 1) for _ in range(2)]
    one, two = (model.cells(view(images, factors)) for factors in drawn)
    align = (
        -(((one * two.detach()).sum(1)).log().mean() + ((two * one.detach()).sum(1)).log().mean())
        / 2
    )
    presences = [x.flatten(2).max(2).values for x in (one, two)]
    tanh = -torch.stack([p.sum(0).tanh().log().mean() for p in presences]).mean()
    log_p = [torch.log_softmax((1 + (p @ model.classifier_KN.T) ** 2).log(), 1) for p in presences]
    label = -torch.stack([x[torch.arange(16), labels].mean() for x in log_p]).mean()
    assert result.losses["label"] == pytest.approx(label.item(), rel=1e-4)
    assert result.losses["align"] == pytest.approx(align.item(), rel=1e-4)
    assert result.losses["tanh"] == pytest.approx(tanh.item(), rel=1e-4)
    if epoch < 2:
        total = (epoch + 1) / 2 * align + 3.0 * tanh
    else:
        total = 1.7 * label + 0.9 * align + 0.4 * tanh
    total.backward()
    after = state.model.state_dict()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    of_trunk = {name for name in before if name.startswith("trunk")}
    head = {"classifier_KN"}
    expected = {0: set(before) - of_trunk - head, 1: set(before) - head, 2: set(before)}
    assert changed == expected[epoch]
    # The first step of an Adam goes by the sign alone; each epoch is the first of one of them.
    prefix, rate = (("prototypes", 0.02), ("trunk", 0.01), ("classifier", 0.05))[epoch]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(prefix):
                assert parameter.grad is not None
                parameter -= rate * parameter.grad / (parameter.grad.abs() + 1e-8)
                torch.testing.assert_close(after[name], parameter, rtol=1e-3, atol=1e-4, msg=name)


def test_the_classifier_is_never_negative() -> None:
    dataset = striped()
    state, _ = train(
        config_of("pipnet", num_epochs=8, **{"pipnet.head_learning_rate": 0.3}), dataset
    )
    weight = network(state).classifier_KN
    assert weight.min() == 0, "some weight has come down to 0 for this to mean anything"


def test_a_fixed_trunk_stays_with_its_statistics() -> None:
    dataset = striped()
    config = config_of(
        "pipnet", num_epochs=3, trunk_norm="batch", **{"pipnet.frozen_trunk_epochs": 2}
    )
    state = start(config, dataset)
    before = {name: x.clone() for name, x in state.model.state_dict().items()}
    of_trunk = {name for name in before if name.startswith("trunk")}
    for result in fit(state, dataset):
        now = state.model.state_dict()
        same = {name for name in of_trunk if torch.equal(now[name], before[name])}
        assert same == (of_trunk if result.epoch < 2 else set())


@pytest.mark.parametrize(("num_epochs", "without"), [(200, 10), (70, 10), (30, 4), (15, 2), (3, 0)])
def test_a_short_run_has_its_share_of_epochs_without_labels(num_epochs: int, without: int) -> None:
    options = PIPNetOptions()
    assert options.without_labels(num_epochs) == options.frozen_epochs(num_epochs) == without
    assert PIPNetOptions(pretrain_epochs=5).frozen_epochs(num_epochs) == 5
    assert PIPNetOptions(frozen_trunk_epochs=1).frozen_epochs(num_epochs) == 1


def test_early_stopping_waits_for_labels() -> None:
    method = start(
        config_of("pipnet", num_epochs=5, **{"pipnet.pretrain_epochs": 3}), striped()
    ).method
    assert [method.is_watched(epoch) for epoch in range(5)] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pipnet.pretrain_epochs": -1}, "`pipnet.pretrain_epochs` must be at least 0, or be None"),
        ({"pipnet.align_weight": -1}, "`pipnet.align_weight` must be at least 0, but got -1"),
        ({"pipnet.head_learning_rate": 0}, "`pipnet.head_learning_rate` must be above 0"),
        ({"pipnet.score_exponent": 0.5}, "`pipnet.score_exponent` must be at least 1"),
        ({"pipnet.view_strength": 1.5}, r"`pipnet.view_strength` must lie in \[0, 1\]"),
        ({"pipnet.calibrate": "train"}, "'pipnet.calibrate' is no field"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)


def test_what_cannot_be_trained_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ConfigError, match="must have feature maps for the method 'pipnet'"):
        check_method(config_of("pipnet", trunk="mlp"))
