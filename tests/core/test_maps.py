"""The two maps of a trunk that most methods of Table 1 look at."""

import pytest
import timm
import torch

from core.backbones import build_trunk, check_maps
from core.config import TrainConfig
from core.errors import ConfigError
from tests.core.small import small_config


def images(height: int, width: int | None = None, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, channels, height, width or height, generator=generator)


@pytest.mark.parametrize(
    ("size", "width", "first", "last"),
    [
        ((32, 32), 16, (32, 16, 16), (64, 8, 8)),
        ((8, 8), 16, (32, 4, 4), (64, 2, 2)),
        ((8, 16), 4, (8, 4, 8), (16, 2, 4)),
        ((7, 7), 4, (8, 4, 4), (16, 2, 2)),
    ],
)
def test_maps_of_the_conv_net(
    size: tuple[int, int], width: int, first: tuple[int, ...], last: tuple[int, ...]
) -> None:
    trunk, _ = build_trunk("conv", in_channels=3, width=width)
    p, q = trunk.eval().maps(images(*size))
    assert (p.shape[1:], q.shape[1:]) == (first, last)
    assert trunk.map_channels == (first[0], last[0])
    # Pooled, the last map is what the trunk gives.
    assert torch.equal(q.flatten(2).amax(2), trunk(images(*size)))


@pytest.mark.parametrize("side", [448, 224])
def test_maps_of_resnet50(side: int) -> None:
    with torch.device("meta"):
        trunk, _ = build_trunk("resnet50", in_channels=3)
        p, q = trunk.maps(torch.empty(1, 3, side, side))
    assert p.shape == (1, 1024, side // 16, side // 16)
    assert q.shape == (1, 2048, side // 32, side // 32)
    assert trunk.map_channels == (1024, 2048)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "resnet18"])
def test_maps_of_a_timm_trunk_are_those_of_its_pyramid(name: str) -> None:
    trunk, _ = build_trunk(name, in_channels=3)
    pyramid = timm.create_model(name, pretrained=False, features_only=True).eval()
    # The pyramid lacks what lies behind its last map.
    ours = list(trunk.state_dict().values())[: len(pyramid.state_dict())]
    pyramid.load_state_dict(dict(zip(pyramid.state_dict(), ours, strict=True)))
    maps = trunk.eval().maps(images(64))
    for given, expected in zip(maps, pyramid(images(64))[-2:], strict=True):
        torch.testing.assert_close(given, expected)
    assert trunk.map_channels == tuple(pyramid.feature_info.channels()[-2:])


EVERY_KIND = [
    *("conv", "test_resnet", "test_efficientnet", "test_convnext", "test_vit"),
    *("pmg:test_resnet", "pmg:test_efficientnet"),
]


@pytest.mark.parametrize("name", EVERY_KIND)
def test_gradients_of_the_maps_reach_their_parameters_and_no_others(name: str) -> None:
    trunk, _ = build_trunk(name, in_channels=3)
    p, q = trunk.maps(images(160 if "vit" in name else 64))
    assert (p.shape[1], q.shape[1]) == trunk.map_channels
    (p.square().sum() + q.square().sum()).backward()
    reached = {id(parameter) for parameter in trunk.parameters() if parameter.grad is not None}
    assert reached == {id(parameter) for parameter in trunk.map_parameters()}


@pytest.mark.parametrize("name", EVERY_KIND)
def test_the_first_map_alone_is_that_of_both_and_has_parameters_of_its_own(name: str) -> None:
    trunk, _ = build_trunk(name, in_channels=3)
    trunk.eval()
    x = images(160 if "vit" in name else 64)
    first = trunk.first_map(x)
    assert torch.equal(first, trunk.maps(x)[0])
    first.square().sum().backward()
    reached = {id(parameter) for parameter in trunk.parameters() if parameter.grad is not None}
    assert reached == {id(parameter) for parameter in trunk.first_map_parameters()}
    assert len(reached) < len(trunk.map_parameters())


@pytest.mark.parametrize("name", ["conv", "test_efficientnet", "pmg:test_resnet"])
def test_to_ask_for_maps_changes_no_feature(name: str) -> None:
    trunk, _ = build_trunk(name, in_channels=3)
    before = trunk.eval()(images(64))
    trunk.maps(images(64))
    trunk.map_parameters()
    assert torch.equal(trunk(images(64)), before)


def test_a_trunk_of_vectors_has_no_maps() -> None:
    trunk, _ = build_trunk("mlp", in_channels=5)
    assert trunk.map_channels is None
    assert trunk.map_parameters() == []
    with pytest.raises(ConfigError, match="VectorTrunk gives vectors alone: use 'conv'"):
        trunk.maps(torch.rand(2, 5, 1, 1))
    with pytest.raises(ConfigError, match="method 'intersection', but 'mlp' has none"):
        check_maps(TrainConfig(trunk="mlp"))
    for name in ("conv", "resnet18", "pmg:test_resnet"):
        check_maps(small_config(trunk=name, trunk_norm="batch"))
