"""Diverse features: the loss, and one batch written out."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from core.config import TrainConfig
from core.errors import ConfigError
from core.methods import check_method
from core.methods.diversity import DiversityModel
from core.methods.diversity._loss import diversity_loss
from core.training import TrainState, fit
from tests.core.methods.problems import config_of, start, striped, train

TRUNK, NEW = 0.005, 0.05
"""Step sizes of the batch that is written out."""


def network(state: TrainState) -> DiversityModel:
    assert isinstance(state.model, DiversityModel)
    return state.model


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_loops(maps: Tensor, logits: Tensor, weight: Tensor) -> float:
    """The definition, sample by sample and cell by cell."""
    losses = []
    for sample, answers in zip(maps, logits, strict=True):
        w = weight[int(answers.argmax())].abs()
        w = w / math.sqrt(sum(float(x) ** 2 for x in w))
        means = [float(m.mean()) for m in sample]
        softmaxes = [m.exp() / m.exp().sum() for m in sample]
        total = 0.0
        for y in range(maps.shape[2]):
            for x in range(maps.shape[3]):
                total += max(
                    float(softmaxes[n][y, x] * w[n]) * means[n] / max(means)
                    for n in range(len(means))
                )
        losses.append(-total)
    return float(np.mean(losses))


def test_the_loss_is_that_of_loops() -> None:
    maps, logits, weight = 3 * draw(4, 5, 2, 3), draw(4, 3, seed=1), draw(3, 5, seed=2) - 0.5
    found = diversity_loss(maps, logits, weight, divisor=4)
    assert found.item() == pytest.approx(by_loops(maps, logits, weight), rel=1e-9)
    half = diversity_loss(maps, logits, weight, divisor=8)
    assert half.item() == pytest.approx(found.item() / 2)
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = diversity_loss(maps[:, order], logits, weight[:, order], divisor=4)
    torch.testing.assert_close(permuted, found)


def test_its_gradient_is_that_of_finite_differences() -> None:
    maps, weight = draw(2, 3, 2, 2).requires_grad_(), (draw(2, 3, seed=2) + 0.1).requires_grad_()
    logits = draw(2, 2, seed=1)
    assert torch.autograd.gradcheck(
        lambda m, w: diversity_loss(m, logits, w, divisor=2), (maps, weight)
    )


def test_features_at_places_of_their_own_cost_least() -> None:
    """-sqrt(N) where N features are sharp, equally strong and apart; more where they meet."""
    apart = 80 * torch.eye(4, dtype=torch.float64).view(1, 4, 2, 2)
    logits, weight = torch.tensor([[1.0, 0.0]]), torch.ones(2, 4, dtype=torch.float64)
    least = diversity_loss(apart, logits, weight, divisor=1).item()
    assert least == pytest.approx(-2)
    meeting = diversity_loss(apart[:, [0, 0, 1, 1]], logits, weight, divisor=1).item()
    assert meeting == pytest.approx(-1)
    flat = diversity_loss(torch.ones_like(apart), logits, weight, divisor=1).item()
    assert flat == pytest.approx(-0.5)


def test_maps_that_are_all_zero_give_no_loss_and_no_nan() -> None:
    maps = torch.zeros(2, 3, 2, 2, requires_grad=True)
    loss = diversity_loss(maps, torch.zeros(2, 2), torch.ones(2, 3), divisor=2)
    (gradient,) = torch.autograd.grad(loss, maps)
    assert loss.item() == 0
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("weight", [0.196, 0.0])
def test_one_batch_is_one_step_of_plain_sgd(weight: float) -> None:
    dataset = striped(num_train=16)
    changes: dict[str, Any] = {
        "num_epochs": 1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "trunk_learning_rate_scale": 0.1,
        "diversity.diversity_weight": weight,
    }
    config = config_of("diversity", **changes)
    trained = start(config, dataset)
    (result,) = fit(trained, dataset)

    model = network(start(config, dataset))
    order = np.random.default_rng([config.seed, 0]).permutation(16)
    labels = torch.from_numpy(dataset.train.labels_N[order])
    maps = model.feature_maps(torch.from_numpy(dataset.train.images_NCHW[order]))
    assert maps.min() >= 0
    logits = model.classifier(maps.flatten(2).mean(2))
    label = functional.cross_entropy(logits, labels)
    diversity = diversity_loss(maps, logits, model.classifier.weight, divisor=16)
    (label + weight * diversity).backward()
    assert result.losses["label"] == pytest.approx(label.item(), rel=1e-5)
    assert ("diversity" in result.losses) == (weight > 0)
    if weight:
        by_hand = by_loops(maps.detach(), logits.detach(), model.classifier.weight.detach())
        assert result.losses["diversity"] == pytest.approx(by_hand, rel=1e-4)
    after = trained.model.state_dict()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            parameter -= (TRUNK if name.startswith("trunk") else NEW) * parameter.grad
            torch.testing.assert_close(after[name], parameter, rtol=1e-4, atol=1e-6, msg=name)


def test_training_with_it_makes_features_more_diverse() -> None:
    dataset = striped()
    images = torch.from_numpy(dataset.test.images_NCHW)
    found = []
    for weight in (0.0, 1.0):
        config = config_of("diversity", num_epochs=10, **{"diversity.diversity_weight": weight})
        model = network(train(config, dataset)[0]).eval()
        with torch.no_grad():
            maps = model.feature_maps(images)
            logits = model.classifier(maps.mean((2, 3)))
            loss = diversity_loss(maps, logits, model.classifier.weight, divisor=len(images))
        found.append(loss.item())
    assert found[1] < found[0]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`diversity\.diversity_weight` must be at least 0"):
        TrainConfig.from_dict({"diversity.diversity_weight": -0.1})
    with pytest.raises(ConfigError, match="must have feature maps for the method 'diversity'"):
        check_method(config_of("diversity", trunk="mlp"))
