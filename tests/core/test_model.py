"""F, q and G as a module: shapes, seeds, and what evaluation may depend on."""

import pytest
import torch

from core.backbones import build_trunk, check_trunk
from core.errors import ConfigError, DataError
from core.model import build_model
from tests.core.small import small_config


def test_shapes_and_ranges() -> None:
    model = build_model(small_config(), in_channels=1, num_classes=4)
    prediction = model(torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8))
    assert prediction.levels_BN.shape == (5, 12)
    assert prediction.logits_BK.shape == (5, 4)
    assert prediction.levels_BN.min() >= 0
    assert prediction.levels_BN.max() <= 7
    assert torch.equal(prediction.levels_BN, prediction.levels_BN.round())


def test_bytes_and_floats_of_the_same_image_agree() -> None:
    model = build_model(small_config(), in_channels=1, num_classes=4)
    images = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(model.features(images), model.features(images.float() / 255))


@pytest.mark.parametrize("activation", ["relu", "none"])
def test_activation_decides_the_sign_of_features(activation: str) -> None:
    model = build_model(small_config(feature_activation=activation), in_channels=1, num_classes=4)
    features = model.features(torch.rand(16, 1, 8, 8))
    assert bool((features < 0).any()) is (activation == "none")


def test_the_seed_alone_decides_the_weights() -> None:
    first = build_model(small_config(), in_channels=1, num_classes=4).state_dict()
    torch.manual_seed(7)
    second = build_model(small_config(), in_channels=1, num_classes=4).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    other = build_model(small_config(seed=1), in_channels=1, num_classes=4).state_dict()
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_trunk_has_its_own_step_size() -> None:
    config = small_config(trunk_learning_rate_scale=0.1)
    model = build_model(config, in_channels=1, num_classes=4)
    trunk, projection = model.extractor_parameter_groups(config)
    assert (trunk["scale"], projection["scale"]) == (0.1, 1.0)
    counted = sum(p.numel() for group in (trunk, projection) for p in group["params"])  # type: ignore[attr-defined]
    extractor = sum(p.numel() for p in model.parameters()) - sum(
        p.numel() for p in model.classifier.parameters()
    )
    assert counted == extractor


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_group_norm_keeps_no_statistics(norm: str) -> None:
    trunk, width = build_trunk("conv", in_channels=3, width=6, norm=norm)  # type: ignore[arg-type]
    assert trunk(torch.rand(2, 3, 16, 16)).shape == (2, width)
    assert bool(list(trunk.buffers())) is (norm == "batch")


def test_an_unknown_trunk_is_refused() -> None:
    with pytest.raises(ConfigError, match="but got 'resnet5O'"):
        check_trunk("resnet5O")


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_the_vector_trunk_takes_vectors_alone(norm: str) -> None:
    trunk, width = build_trunk("mlp", in_channels=5, width=6, norm=norm)  # type: ignore[arg-type]
    assert trunk(torch.rand(2, 5, 1, 1)).shape == (2, width) == (2, 6)
    with pytest.raises(DataError, match=r"shape \(B, 5, 1, 1\), but got \(2, 5, 2, 2\)"):
        trunk(torch.rand(2, 5, 2, 2))
    with pytest.raises(ConfigError, match="but got 'mlp'"):
        check_trunk("mlp")  # sweeps train on images
