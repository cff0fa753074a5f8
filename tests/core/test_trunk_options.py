"""Memory format, precision and compilation of a trunk: what they change, and what they do not."""

import shutil
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters as dynamo_counters

from core.backbones import compile_trunk
from core.errors import ConfigError
from core.methods import create_state
from core.model import IntersectionModel, build_model
from core.training import TrainState, fit
from tests.core.small import small_config, small_dataset

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    ),
]


def trained(**changes: object) -> TrainState:
    config = small_config(num_epochs=1, **changes)
    state = create_state(config, in_channels=1, num_classes=4)
    list(fit(state, small_dataset(num_train=40)))
    return state


def assert_close(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def input_of_convolutions(model: IntersectionModel, channels: int) -> list[Tensor]:
    seen: list[Tensor] = []
    for part in model.trunk.modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.features(torch.rand(2, channels, 32, 32))
    return seen


@pytest.mark.parametrize("trunk", ["conv", "pmg:test_efficientnet_ln"])
def test_channels_last_changes_the_layout_alone(trunk: str) -> None:
    config = small_config(trunk=trunk, feature_activation="none")
    plain = build_model(config, in_channels=3, num_classes=4)
    last = build_model(config.replace({"channels_last": True}), in_channels=3, num_classes=4)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, last.state_dict()[name]), name
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(last.features(images), plain.features(images), rtol=1e-3, atol=1e-4)
    first, *_ = input_of_convolutions(last, 3)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert not first.is_contiguous()
    first, *_ = input_of_convolutions(plain, 3)
    assert first.is_contiguous()


def test_channels_last_trains_to_the_same_weights() -> None:
    ours = trained(channels_last=True).model.state_dict()
    assert_close(trained().model.state_dict(), ours)
    weight = ours["trunk.3.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


@pytest.mark.parametrize("device", DEVICES)
def test_bf16_reaches_the_trunk_and_not_the_quantizer(device: str) -> None:
    model = build_model(small_config(precision="bf16"), in_channels=1, num_classes=4).to(device)
    seen: dict[str, torch.dtype] = {}

    def watch(name: str, part: nn.Module) -> None:
        part.register_forward_hook(
            lambda _, inputs, output: seen.update(
                {name: output.dtype, f"{name} in": inputs[0].dtype}
            )
        )

    watch("conv", model.trunk.get_submodule("3"))
    watch("quantizer", model.quantizer)
    watch("classifier", model.classifier)
    prediction = model(torch.rand(4, 1, 8, 8, device=device))
    assert seen["conv"] == torch.bfloat16
    assert seen["quantizer in"] == seen["quantizer"] == torch.float32
    assert seen["classifier in"] == seen["classifier"] == torch.float32
    prediction.logits_BK.sum().backward()
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in model.trunk.parameters() if p.grad is not None} == {torch.float32}


def test_bf16_stays_near_fp32() -> None:
    low = build_model(small_config(precision="bf16"), in_channels=1, num_classes=4)
    full = build_model(small_config(), in_channels=1, num_classes=4)
    images = torch.rand(8, 1, 8, 8)
    ours, expected = low.features(images), full.features(images)
    assert not torch.equal(ours, expected)
    torch.testing.assert_close(ours, expected, rtol=0.05, atol=0.05)


def test_a_compiled_trunk_trains_to_the_same_weights_under_the_same_names() -> None:
    """Through TorchDynamo and AOTAutograd, with every graph run as it is."""
    dynamo_counters.clear()
    config = small_config(num_epochs=1, accumulation_steps=2)
    state = create_state(config, in_channels=1, num_classes=4)
    compile_trunk(state.model.trunk, backend="aot_eager")
    list(fit(state, small_dataset(num_train=40)))
    assert dynamo_counters["stats"]["unique_graphs"] > 0
    assert_close(trained().model.state_dict(), state.model.state_dict())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_compile_gives_the_same_features() -> None:
    """With the default backend, as `compile=True` runs it."""
    plain = build_model(small_config(), in_channels=1, num_classes=4)
    compiled = build_model(small_config(compile=True), in_channels=1, num_classes=4)
    assert plain.state_dict().keys() == compiled.state_dict().keys()
    images = torch.rand(8, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(
            compiled.features(images), plain.features(images), rtol=1e-4, atol=1e-5
        )


def test_compile_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match="'no-such-compiler' is not there: install it"):
        build_model(small_config(compile=True), in_channels=1, num_classes=4)
