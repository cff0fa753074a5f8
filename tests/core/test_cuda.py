"""What must hold on a GPU as it does on a CPU. Skipped where there is none."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from core.config import TrainConfig
from core.data import Dataset
from core.evaluation import evaluate
from core.extract import main as extract
from core.extractor import AttributeExtractor
from core.extractor.artifacts import write_artifacts
from core.methods import METHODS, create_state
from core.predict import accuracy, predict_split
from core.quantize import UniformQuantizer
from core.training import EpochResult, TrainState, fit
from tests.core.methods.problems import EPOCHS_TO_OVERFIT, config_of, striped
from tests.core.methods.test_conformance import assert_same, saved
from tests.core.workers import in_workers

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
every_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(autouse=True)
def _float32_is_float32() -> Iterator[None]:
    """cuDNN rounds what it multiplies to TF32 by default; batch norm of few pixels makes much of
    that little."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def start(config: TrainConfig, dataset: Dataset, device: str = "cuda") -> TrainState:
    return create_state(
        config,
        in_channels=dataset.image_shape[0],
        num_classes=dataset.num_classes,
        device=device,
    )


def train(
    config: TrainConfig, dataset: Dataset, device: str = "cuda"
) -> tuple[TrainState, list[EpochResult]]:
    state = start(config, dataset, device)
    return state, list(fit(state, dataset))


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("quantizer_range", ["batch", "sample"])
def test_the_quantizer_gives_the_cpus_levels_and_gradients(bits: int, quantizer_range: str) -> None:
    # A CPU and a GPU both divide and round as IEEE 754 says, so no level may differ.
    features = torch.randn(64, 1024, generator=torch.Generator().manual_seed(bits)).relu()
    weights = torch.randn(64, 1024, generator=torch.Generator().manual_seed(9))
    levels, gradients = [], []
    for device in ("cpu", "cuda"):
        x = features.to(device, copy=True).requires_grad_()
        out = UniformQuantizer(bits, quantizer_range).to(device)(x)
        (out * weights.to(device)).sum().backward()
        assert x.grad is not None
        levels.append(out.detach().cpu())
        gradients.append(x.grad.cpu())
    assert torch.equal(*levels)
    # Those of the extrema are sums over the whole batch, in another order.
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-3)


@every_method
def test_a_batch_gives_the_cpus_losses_but_for_rounding(method: str) -> None:
    config = config_of(method, num_epochs=1, batch_size=48)
    (_, (ours,)), (_, (theirs,)) = (train(config, striped(), d) for d in ("cuda", "cpu"))
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-4)


@every_method
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_it_overfits_64_images(method: str, precision: str, channels_last: bool) -> None:
    torch.backends.cudnn.allow_tf32 = True
    dataset = striped(num_train=64)
    # Less exact steps may take more of them.
    epochs = 2 * EPOCHS_TO_OVERFIT[method]
    config = config_of(method, num_epochs=epochs, precision=precision, channels_last=channels_last)
    state, _ = train(config, dataset)
    outputs = predict_split(state.model, dataset.train)
    assert accuracy(outputs.probabilities_NK, dataset.train.labels_N) > 0.98


@every_method
def test_the_same_run_gives_the_same_numbers_again(method: str) -> None:
    torch.backends.cudnn.allow_tf32 = True
    first, second = (train(config_of(method, num_epochs=3), striped())[0] for _ in range(2))
    assert_same(saved(first), saved(second))


@every_method
def test_a_network_says_on_the_gpu_what_it_says_on_the_cpu(method: str) -> None:
    dataset = striped()
    model = train(config_of(method), dataset)[0].model
    there = predict_split(model, dataset.test)
    here = predict_split(model.cpu(), dataset.test)
    np.testing.assert_allclose(there.probabilities_NK, here.probabilities_NK, atol=1e-2)
    if here.levels_ND is not None and there.levels_ND is not None:
        # A feature on the border of two levels may fall to either side.
        assert (here.levels_ND != there.levels_ND).mean() < 0.01


@every_method
def test_stopped_and_resumed_equals_uninterrupted(method: str) -> None:
    dataset = striped()
    config = config_of(method, num_epochs=3)
    whole, expected = train(config, dataset)
    state = start(config, dataset)
    results = list(itertools.islice(fit(state, dataset), 1))
    resumed = start(config, dataset)
    resumed.load_state_dict(saved(state))
    results += list(fit(resumed, dataset))
    assert [result.losses for result in results] == [result.losses for result in expected]
    assert_same(saved(resumed), saved(whole))


@every_method
def test_a_checkpoint_of_the_gpu_goes_on_on_the_cpu(method: str) -> None:
    dataset = striped()
    config = config_of(method, num_epochs=2)
    state = start(config, dataset)
    next(iter(fit(state, dataset)))
    resumed = start(config, dataset, "cpu")
    resumed.load_state_dict(saved(state))
    (result,) = fit(resumed, dataset)
    assert result.epoch == 1
    assert {str(p.device) for p in resumed.model.parameters()} == {"cpu"}


def test_accumulated_steps_are_those_of_one() -> None:
    whole, split = (
        train(config_of("intersection", num_epochs=1, accumulation_steps=steps), striped())[1]
        for steps in (1, 4)
    )
    assert split[0].losses == pytest.approx(whole[0].losses, rel=1e-3)


def test_a_compiled_trunk_learns() -> None:
    dataset = striped(num_train=64)
    config = config_of("intersection", num_epochs=25, compile=True)
    state, _ = train(config, dataset)
    outputs = predict_split(state.model, dataset.train)
    assert accuracy(outputs.probabilities_NK, dataset.train.labels_N) > 0.98


def test_the_estimator_trains_there_and_is_loaded_there(tmp_path: Path) -> None:
    dataset = striped()
    images = dataset.train.images_NCHW
    estimator = AttributeExtractor(
        feature_dim=12, trunk="conv", num_epochs=2, batch_size=16, random_state=0, device="cuda"
    ).fit(images, dataset.train.labels_N)
    estimator.save(tmp_path / "model")
    loaded = AttributeExtractor.load(tmp_path / "model", device="cuda")
    assert (loaded.transform(images) == estimator.transform(images)).all()


def test_the_command_extracts_there(tmp_path: Path) -> None:
    dataset = striped()
    state, results = train(config_of("intersection"), dataset)
    evaluation = evaluate(state.model, results[-1].tree, dataset, minival=results[-1].minival)
    for name in ("model", "pictures"):
        (tmp_path / name).mkdir()
    write_artifacts(tmp_path / "model", state, evaluation, dataset)
    for row, image in enumerate(dataset.test.images_NCHW[:8]):
        Image.fromarray(image[0]).save(tmp_path / "pictures" / f"{row}.png")
    tables = []
    for device in ("cuda", "cpu"):
        output = tmp_path / f"{device}.parquet"
        folders = [str(tmp_path / "model"), str(tmp_path / "pictures")]
        assert extract([*folders, "--output", str(output), "--device", device]) == 0
        tables.append(pyarrow.parquet.read_table(output))
    assert tables[0].schema == tables[1].schema
    assert tables[0].num_rows == 8


def _train_and_save(rank: int, world_size: int, method: str, folder: str) -> None:
    torch.backends.cudnn.allow_tf32 = False
    # One batch: over more of them the last bits grow, the faster the smaller BatchNorm's maps.
    state, (result,) = train(config_of(method, num_epochs=1, batch_size=48), striped())
    torch.save(
        {"model": state.model.state_dict(), "losses": dict(result.losses)},
        f"{folder}/{world_size}-{rank}.pt",
    )


@every_method
def test_two_workers_on_one_gpu_train_what_one_trains(method: str, tmp_path: Path) -> None:
    """Through gloo, since NCCL takes no device twice: BatchNorm's statistics are shared."""
    for world_size in (1, 2):
        in_workers(_train_and_save, world_size, method, str(tmp_path))
    alone, first, second = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True, map_location="cpu")
        for name in ("1-0", "2-0", "2-1")
    )
    assert_same(first, second)
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-3)
    for name, tensor in alone["model"].items():
        torch.testing.assert_close(first["model"][name], tensor, rtol=1e-2, atol=1e-3, msg=name)


def _train_with_nccl(rank: int, world_size: int) -> None:
    _, (result,) = train(config_of("intersection", num_epochs=1), striped())
    assert np.isfinite(list(result.losses.values())).all()


def test_a_group_of_one_worker_through_nccl() -> None:
    in_workers(_train_with_nccl, 1, backend="nccl")
