"""SDT: one batch written out, what is quantized, and how a prediction is made."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.config import TrainConfig
from core.errors import ConfigError
from core.evaluation import evaluate
from core.methods._soft_tree import BalancePenalty, log_paths
from core.methods.sdt import SDTModel
from core.predict import predict_split
from core.training import TrainState, fit
from tests.core.methods.problems import config_of, start, striped, train


def network(state: TrainState) -> SDTModel:
    assert isinstance(state.model, SDTModel)
    return state.model


@pytest.mark.parametrize("weight", [0.1, 0.0])
def test_one_batch_is_one_step_of_plain_sgd(weight: float) -> None:
    dataset = striped(num_train=16)
    changes: dict[str, object] = {
        "num_epochs": 1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "learning_rate": 0.05,
        "trunk_learning_rate_scale": 0.1,
        "sdt.tree_learning_rate": 0.3,
        "sdt.balance_weight": weight,
    }
    config = config_of("sdt", **changes)
    trained = start(config, dataset)
    (result,) = fit(trained, dataset)

    model = network(start(config, dataset))
    order = np.random.default_rng([config.seed, 0]).permutation(16)
    labels = torch.from_numpy(dataset.train.labels_N[order])
    features = model.features(torch.from_numpy(dataset.train.images_NCHW[order]))
    paths = log_paths(model.tree.logits(features))
    log_q = functional.log_softmax(model.tree.leaf_logits_LK, 1)
    label = -(paths[-1].exp() * log_q[:, labels].T).sum(1).mean()
    balance = BalancePenalty(depth=4)(model.tree.logits(features), paths)
    (label + weight * balance).backward()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            rate = {"trunk": 0.005, "projection": 0.05, "tree": 0.3}[name.partition(".")[0]]
            parameter -= rate * parameter.grad
    assert result.losses["label"] == pytest.approx(label.item(), rel=1e-5)
    assert ("balance" in result.losses) == (weight > 0)
    if weight:
        assert result.losses["balance"] == pytest.approx(balance.item(), rel=1e-5)
    after = trained.model.state_dict()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(after[name], parameter.detach(), rtol=1e-4, atol=1e-6)


def test_the_tree_has_momentum_of_its_own_and_no_weight_decay() -> None:
    config = config_of("sdt", **{"sdt.tree_momentum": 0.7, "momentum": 0.2, "weight_decay": 0.1})
    optimizers = start(config, striped()).method.optimizers
    (tree,) = optimizers["tree"].param_groups
    assert (tree["momentum"], tree["weight_decay"]) == (0.7, 0)
    assert {group["momentum"] for group in optimizers["extractor"].param_groups} == {0.2}


def test_leaves_are_features_and_input_is() -> None:
    dataset = striped()
    images = torch.from_numpy(dataset.test.images_NCHW)
    for features, width in (("input", 12), ("leaves", 32)):
        config = config_of("sdt", **{"sdt.features": features, "sdt.depth": 5})
        state, _ = train(config, dataset)
        model = network(state).eval()
        assert model.feature_dim == width
        with torch.no_grad():
            given = model.answer(images).features_BN
            paths = model.tree.log_paths(model.features(images))[-1].exp()
            expected = paths if features == "leaves" else model.features(images)
        assert torch.equal(given, expected)
        outputs = predict_split(model, dataset.test)
        assert outputs.levels_ND is not None
        assert outputs.levels_ND.shape == (len(images), width)
        q = model.tree.leaf_logits_LK.softmax(1).detach()
        assert np.array_equal(outputs.probabilities_NK, q[paths.argmax(1)].numpy())
        assert evaluate(model, None, dataset).zero_share is not None


def test_leaves_quantized_to_nothing_still_give_classes() -> None:
    dataset = striped()
    for inference in ("best_leaf", "mixture"):
        options = {"sdt.features": "leaves", "sdt.depth": 8, "sdt.inference": inference}
        state, _ = train(config_of("sdt", num_bits=1, **options), dataset)
        outputs = predict_split(state.model, dataset.test)
        assert outputs.quantized_probabilities_NK is not None
        assert outputs.quantized_probabilities_NK.sum(1) == pytest.approx(1, abs=1e-5)


def test_the_mixture_is_the_mean_of_all_leaves() -> None:
    dataset = striped()
    state, _ = train(config_of("sdt", **{"sdt.inference": "mixture"}), dataset)
    model = network(state).eval()
    with torch.no_grad():
        features = model.features(torch.from_numpy(dataset.test.images_NCHW))
        paths = model.tree.log_paths(features)[-1].exp()
        expected = paths @ model.tree.leaf_logits_LK.softmax(1)
    found = predict_split(model, dataset.test).probabilities_NK
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_without_a_depth_the_classes_give_it() -> None:
    for num_classes, depth in ((2, 4), (7, 5)):
        state = start(config_of("sdt", **{"sdt.depth": None}), striped(num_classes))
        assert network(state).tree.depth == depth


def test_vectors_are_learnt_too() -> None:
    """The pooled features are all that it needs of a trunk."""
    state = start(config_of("sdt", trunk="mlp"), striped(shape=(9, 1, 1)))
    assert network(state).trunk.map_channels is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sdt.depth": 0}, r"`sdt.depth` must lie in \[1, 12\], or be None .* got 0"),
        ({"sdt.depth": 13}, "must lie in"),
        ({"sdt.inverse_temperature": 0}, "`sdt.inverse_temperature` must be above 0"),
        ({"sdt.balance_weight": -1}, "`sdt.balance_weight` must be at least 0, but got -1.0"),
        ({"sdt.tree_learning_rate": 0}, "`sdt.tree_learning_rate` must be above 0"),
        ({"sdt.tree_momentum": 1}, r"`sdt.tree_momentum` must lie in \[0, 1\)"),
        ({"sdt.features": "leafs"}, "`sdt.features` must be one of 'input', 'leaves'"),
        ({"sdt.calibrate": "test"}, "`sdt.calibrate` must be one of 'minival', 'train'"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict(values)
