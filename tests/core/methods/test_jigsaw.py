"""Jigsaw pieces, PMG's four steps, and the command that writes a trunk's weights."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from core.backbones import build_trunk
from core.config import TrainConfig
from core.errors import ConfigError, DataError, NonFiniteLossError
from core.evaluation import evaluate
from core.extractor.artifacts import write_artifacts
from core.jigsaw import pretrain_to_file
from core.jigsaw.__main__ import main
from core.methods import create_state
from core.methods.jigsaw import JigsawModel, permute_pieces
from core.model import normalize_images
from core.training import EpochResult, TrainState, fit
from tests.core.small import small_config, small_dataset


def jigsaw_config(**changes: object) -> TrainConfig:
    return small_config(
        method="jigsaw",
        trunk="pmg:test_resnet",
        trunk_norm="batch",
        **{"num_epochs": 2, "batch_size": 8, "learning_rate": 0.01, **changes},
    )


def start(config: TrainConfig) -> TrainState:
    return create_state(config, in_channels=1, num_classes=4)


def network(state: TrainState) -> JigsawModel:
    assert isinstance(state.model, JigsawModel)
    return state.model


def test_pieces_move_to_where_the_order_says() -> None:
    image = torch.arange(24).reshape(1, 1, 4, 6)
    # The four pieces are 2 x 3: top left, top right, bottom left, bottom right.
    moved = permute_pieces(image, torch.tensor([3, 0, 1, 2]))
    assert moved[0, 0].tolist() == [
        [15, 16, 17, 0, 1, 2],
        [21, 22, 23, 6, 7, 8],
        [3, 4, 5, 12, 13, 14],
        [9, 10, 11, 18, 19, 20],
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.randoms())
def test_the_inverse_order_restores_the_images(
    side: int, height: int, width: int, random: object
) -> None:
    seed = random.randrange(2**31)  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 3, side * height, side * width, generator=generator)
    order = torch.randperm(side * side, generator=generator)
    moved = permute_pieces(images, order)
    assert torch.equal(permute_pieces(moved, order.argsort()), images)
    for i in range(side * side):
        (r, c), (q, d) = divmod(i, side), divmod(int(order[i]), side)
        assert torch.equal(
            moved[:, :, r * height : (r + 1) * height, c * width : (c + 1) * width],
            images[:, :, q * height : (q + 1) * height, d * width : (d + 1) * width],
        )


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([0, 1, 2], "must be a square number such as 4, 16 or 64, but are 3"),
        ([], "must be a square number"),
        ([0, 1, 2, 2], "must hold each of 0 to 3 once"),
        (list(range(9)), "Images of 8 x 8 pixels cannot be cut into 3 x 3 equal pieces"),
    ],
)
def test_orders_that_cannot_be_are_refused(order: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        permute_pieces(torch.zeros(1, 1, 8, 8), torch.tensor(order, dtype=torch.int64))


def test_one_batch_is_pmgs_four_steps_written_out() -> None:
    """Each with its own classifier, pieces and gradient, by autograd and plain SGD."""
    dataset = small_dataset(num_train=8)
    config = jigsaw_config(
        num_epochs=1, momentum=0.0, weight_decay=0.0, trunk_learning_rate_scale=0.1
    )
    trained = start(config)
    (result,) = fit(trained, dataset)

    state = network(start(config))
    state.train()
    order = np.random.default_rng([config.seed, 0]).permutation(8)
    images = torch.from_numpy(dataset.train.images_NCHW[order])
    labels = torch.from_numpy(dataset.train.labels_N[order])
    rng = np.random.default_rng([config.seed, 0, 0])
    body = list(state.trunk.body.parameters())
    losses = []
    for step, pieces in enumerate((8, 4, 2, 1)):
        x = normalize_images(
            permute_pieces(images, torch.from_numpy(rng.permutation(pieces * pieces)))
        )
        vectors = state.trunk.vectors(x)
        head = state.classifiers[step]
        logits = head(torch.cat(vectors, 1) if step == 3 else vectors[step])
        loss = functional.cross_entropy(logits, labels)
        losses.append(loss.item())
        parameters = [*body, *state.trunk.branches.parameters(), *head.parameters()]
        weight = 2 if step == 3 else 1  # as in the published code
        gradients = torch.autograd.grad(weight * loss, parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    rate = 0.001 if any(parameter is p for p in body) else 0.01
                    parameter -= rate * gradient
    assert list(result.losses) == ["stage1", "stage2", "stage3", "whole"]
    assert list(result.losses.values()) == pytest.approx(losses, rel=1e-4)
    for (name, tensor), other in zip(
        trained.model.state_dict().items(), state.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(tensor, other, rtol=1e-3, atol=1e-5, msg=name)


def test_classifiers_are_those_of_pmg() -> None:
    state = network(start(jigsaw_config()))
    kinds = [[type(layer).__name__ for layer in head] for head in state.classifiers]  # type: ignore[attr-defined]
    assert kinds == [["BatchNorm1d", "Linear", "BatchNorm1d", "ELU", "Linear"]] * 4
    widths = [
        (head[1].in_features, head[1].out_features, head[4].out_features)
        for head in state.classifiers
    ]  # type: ignore[index]
    assert widths == [(1024, 512, 4)] * 3 + [(3072, 512, 4)]


def test_it_learns() -> None:
    config = jigsaw_config(num_epochs=5, batch_size=16)
    results = list(fit(start(config), small_dataset(num_train=32)))
    assert results[-1].minival_accuracy > 0.6  # a quarter by chance
    assert results[-1].losses["whole"] < results[0].losses["whole"]
    assert [result.epoch for result in results] == list(range(5))


def test_stopped_and_resumed_equals_uninterrupted() -> None:
    dataset = small_dataset(num_train=16)
    whole = start(jigsaw_config())
    expected = list(fit(whole, dataset))

    state = start(jigsaw_config())
    results = list(itertools.islice(fit(state, dataset), 1))
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    file.seek(0)
    torch.manual_seed(99)
    resumed = start(jigsaw_config())
    resumed.load_state_dict(torch.load(file, weights_only=True))
    results += list(fit(resumed, dataset))
    assert [result.losses for result in results] == [result.losses for result in expected]
    assert resumed.minival_accuracies == whole.minival_accuracies
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    with pytest.raises(DataError, match="The checkpoint belongs to config"):
        start(jigsaw_config(seed=1)).load_state_dict(state.state_dict())


def test_what_does_not_suit_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be 'pmg' or 'pmg:' and a timm model"):
        start(small_config(method="jigsaw"))
    with pytest.raises(ConfigError, match="`accumulation_steps` must be 1"):
        start(jigsaw_config(accumulation_steps=2))
    state = start(jigsaw_config(**{"jigsaw.pieces_per_side": [3, 2, 2]}))
    with pytest.raises(DataError, match="cannot be cut into 3 x 3"):
        next(fit(state, small_dataset(num_train=8)))
    with pytest.raises(NonFiniteLossError, match="at epoch 0, step"):
        list(fit(start(jigsaw_config(learning_rate=1e30)), small_dataset()))


def test_a_file_goes_on_where_it_was_and_a_trunk_loads_it(tmp_path: Path) -> None:
    dataset = small_dataset(num_train=16)
    config = jigsaw_config(num_epochs=2)
    # The command's method, and all epochs, whatever the config says.
    state = start(config.replace({"drops_to_stop": None}))
    config = config.replace({"method": "intersection", "drops_to_stop": 1})
    first = next(fit(state, dataset))
    checkpoint = tmp_path / "jigsaw.checkpoint.pt"
    torch.save({"state": state.state_dict(), "fingerprint": dataset.fingerprint}, checkpoint)

    out = tmp_path / "jigsaw.safetensors"
    results: list[EpochResult] = []
    finished = pretrain_to_file(config, dataset, out, on_epoch=results.append)
    assert [result.epoch for result in (first, *results)] == [0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["jigsaw.safetensors"]
    loaded, _ = build_trunk("pmg:test_resnet", in_channels=1, weights=str(out))
    for name, tensor in network(finished).trunk.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    # A trial leaves the same weights among its artifacts.
    write_artifacts(tmp_path, finished, evaluate(finished.model, None, dataset), dataset)
    of_trial, _ = build_trunk(
        "pmg:test_resnet", in_channels=1, weights=str(tmp_path / "trunk.safetensors")
    )
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, of_trial.state_dict()[name]), name
    # Two epochs of two batches of four steps.
    assert loaded.state_dict()["branches.0.1.num_batches_tracked"] == 2 * 2 * 4

    torch.save({"fingerprint": "other"}, checkpoint)
    with pytest.raises(DataError, match="belongs to other data: remove it"):
        pretrain_to_file(config, dataset, out)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output", "w.pth"], "must end in .safetensors and lie in a folder"),
        (
            ["--output", "nowhere/w.safetensors"],
            "lie in a folder that exists, but is 'nowhere/w.safetensors'",
        ),
        (["--output", "w.safetensors"], "`trunk` must be 'pmg'"),
        (["--output", "w.safetensors", "--set", "trnk=pmg"], "Did you mean 'trunk'"),
    ],
)
def test_the_command_refuses_in_one_line(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--dataset", "digits", *flags])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
