"""Trunks by name: the small conv net, timm's models, and PMG's extractor on them."""

import math
import subprocess
import sys

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from core.backbones import BRANCH_FEATURES, ConvTrunk, PMGTrunk, build_trunk, check_backbone
from core.errors import ConfigError
from core.methods import create_state
from core.model import build_model
from core.training import fit
from tests.core.small import small_config, small_dataset


def images(count: int = 2, side: int = 64, channels: int = 3) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def pmg_on(name: str) -> PMGTrunk:
    trunk, _ = build_trunk(f"pmg:{name}", in_channels=3)
    assert isinstance(trunk, PMGTrunk)
    return trunk.eval()


def test_a_timm_trunk_gives_timms_pooled_features() -> None:
    torch.manual_seed(0)
    trunk, width = build_trunk("test_efficientnet", in_channels=3)
    torch.manual_seed(0)
    model = timm.create_model("test_efficientnet", pretrained=False, num_classes=0)
    assert torch.equal(trunk.eval()(images()), model.eval()(images()))
    assert width == model.num_features


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "resnet18"])
def test_pmg_is_what_the_papers_code_describes(name: str) -> None:
    """Against timm's own feature pyramid, and the branches written out."""
    trunk = pmg_on(name)
    pyramid = timm.create_model(name, pretrained=False, features_only=True).eval()
    ours = trunk.body.state_dict()
    theirs = pyramid.state_dict()
    renamed = dict(zip(theirs, ours.values(), strict=True))
    pyramid.load_state_dict(renamed)

    with torch.no_grad():
        maps = pyramid(images())[-3:]
        expected = []
        for branch, stage_map in zip(trunk.branches, maps, strict=True):
            convs = [part for part in branch.modules() if isinstance(part, nn.Conv2d)]
            norms = [part for part in branch.modules() if isinstance(part, nn.BatchNorm2d)]
            x = stage_map
            for conv, norm in zip(convs, norms, strict=True):
                x = functional.conv2d(x, conv.weight, padding=conv.kernel_size[0] // 2)
                scale = norm.weight / (norm.running_var + norm.eps).sqrt()
                x = (x - norm.running_mean.view(-1, 1, 1)) * scale.view(-1, 1, 1)
                x = (x + norm.bias.view(-1, 1, 1)).relu()
            expected.append(x.flatten(2).max(2).values)
        features = trunk(images())
    assert features.shape == (2, 3072)
    torch.testing.assert_close(features, torch.cat(expected, 1), rtol=1e-4, atol=1e-5)
    assert [(tuple(c.weight.shape[:2]), c.kernel_size, c.bias) for c in convs] == [
        ((512, maps[-1].shape[1]), (1, 1), None),
        ((1024, 512), (3, 3), None),
    ]
    assert {norm.momentum for norm in norms} == {0.01}


def test_pmg_alone_is_pmg_on_resnet50() -> None:
    with torch.device("meta"):
        trunk, width = build_trunk("pmg", in_channels=3)
    assert isinstance(trunk, PMGTrunk)
    assert trunk.name == "resnet50"
    assert width == 3 * BRANCH_FEATURES
    assert [branch[0].in_channels for branch in trunk.branches] == [512, 1024, 2048]  # type: ignore[index]


@pytest.mark.parametrize("name", ["pmg:test_resnet", "pmg:test_efficientnet"])
def test_every_weight_of_pmg_gets_a_gradient(name: str) -> None:
    trunk, _ = build_trunk(name, in_channels=3)
    trunk(images(4)).square().sum().backward()
    without = [key for key, parameter in trunk.named_parameters() if parameter.grad is None]
    assert without == []


@pytest.mark.parametrize(
    ("trunk", "message"),
    [
        ("pmg:test_vit", r"those of 'test_vit' divide the image's sides by \[16, 16, 16\]"),
        ("pmg:resnet5O", "Did you mean 'pmg:resnet50'"),
        ("resnet5O", "Did you mean 'resnet50'"),
        ("pmg:resnet50.tv_1k", r"Did you mean 'pmg:resnet50\.tv_in1k'"),
        ("pgm", "Did you mean 'pmg'"),
    ],
)
def test_a_trunk_that_cannot_be_is_refused(trunk: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_backbone(small_config(trunk=trunk, trunk_norm="batch"))


def test_a_name_may_carry_the_tag_of_its_weights() -> None:
    check_backbone(small_config(trunk="pmg:resnet50.tv_in1k", trunk_norm="batch", frozen_stages=5))


def test_group_norm_is_honoured_or_refused() -> None:
    trunk, _ = build_trunk("pmg:test_convnext", in_channels=3, norm="group")
    kinds = {type(part) for part in trunk.modules()}
    assert nn.GroupNorm in kinds
    assert nn.BatchNorm2d not in kinds
    with pytest.raises(ConfigError, match=r"timm's 'test_resnet' has \d+ BatchNorm layers"):
        build_trunk("test_resnet", in_channels=3, norm="group")


@pytest.mark.parametrize("trunk", ["conv", "test_efficientnet", "pmg:test_efficientnet"])
def test_step_sizes_by_group(trunk: str) -> None:
    config = small_config(trunk=trunk, trunk_norm="batch", trunk_learning_rate_scale=0.1)
    model = build_model(config, in_channels=3, num_classes=4)
    groups = model.extractor_parameter_groups(config)
    assert [group["scale"] for group in groups] == [0.1, 1.0]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    slow, fast = ({names[id(p)] for p in group["params"]} for group in groups)  # type: ignore[attr-defined]
    prefix = "trunk.body." if trunk.startswith("pmg") else "trunk."
    assert slow == {name for name in names.values() if name.startswith(prefix)}
    assert fast == {n for n in names.values() if not n.startswith((prefix, "classifier."))}


def test_a_pmg_trunk_trains() -> None:
    dataset = small_dataset(num_train=24)
    config = small_config(trunk="pmg:test_resnet", trunk_norm="batch", num_epochs=1, batch_size=12)
    state = create_state(config, in_channels=1, num_classes=4)
    before = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    (result,) = fit(state, dataset)
    assert math.isfinite(result.losses["label"])
    after = state.model.state_dict()
    for part in ("trunk.body.layer4", "trunk.branches.0", "projection"):
        assert any(not torch.equal(before[k], after[k]) for k in before if k.startswith(part))


def test_the_conv_net_needs_no_timm() -> None:
    code = (
        "import sys; from core.backbones import build_trunk; import core.assessment, core.methods;"
        "build_trunk('conv', in_channels=1);"
        "sys.exit('timm' in sys.modules or 'torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_conv_stages_are_its_three_convolutions() -> None:
    trunk = ConvTrunk(1, width=4, norm="batch")
    assert [[tuple(p.shape)[:1] for p in stage] for stage in trunk.stages()] == [
        [(4,)] * 3,
        [(8,)] * 3,
        [(16,)] * 3,
    ]
