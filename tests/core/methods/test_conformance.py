"""What every method keeps: learning, any data, exact resume, no look at attributes, workers."""

import dataclasses
import io
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from core.config.options import OPTIONS
from core.evaluation import evaluate
from core.extractor.artifacts import write_artifacts
from core.methods import METHODS, check_method
from core.predict import accuracy, predict_split
from core.training import TrainState, fit
from tests.core.methods.problems import (
    CONFIGS,
    EPOCHS_TO_OVERFIT,
    OVERFIT_ACCURACY,
    config_of,
    digest_of,
    start,
    striped,
    train,
)
from tests.core.workers import in_workers

ROOT = Path(__file__).parents[3]
every_method = pytest.mark.parametrize("method", METHODS)


def assert_same(first: Any, second: Any) -> None:
    """Equal to the last bit, through dicts and lists."""
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second


def saved(state: TrainState) -> dict[str, Any]:
    """A checkpoint as a file gives it back."""
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    file.seek(0)
    values: dict[str, Any] = torch.load(file, weights_only=True)
    return values


def test_every_method_has_options_and_is_tried_here() -> None:
    assert METHODS.keys() == OPTIONS.keys() == CONFIGS.keys() == EPOCHS_TO_OVERFIT.keys()


@every_method
def test_it_overfits_64_images(method: str) -> None:
    dataset = striped(num_train=64)
    state, results = train(config_of(method, num_epochs=EPOCHS_TO_OVERFIT[method]), dataset)
    outputs = predict_split(state.model, dataset.train)
    least = OVERFIT_ACCURACY.get(method, 0.98)
    assert accuracy(outputs.probabilities_NK, dataset.train.labels_N) > least
    # The first that a method names is that of the labels.
    first, last = (next(iter(result.losses.values())) for result in (results[0], results[-1]))
    assert last < first


@every_method
@pytest.mark.parametrize("num_classes", [2, 7])
def test_two_and_seven_classes(method: str, num_classes: int) -> None:
    dataset = striped(num_classes)
    state, results = train(config_of(method, num_epochs=1), dataset)
    outputs = predict_split(state.model, dataset.test)
    assert outputs.probabilities_NK.shape == (len(dataset.test), num_classes)
    assert outputs.probabilities_NK.sum(1) == pytest.approx(1, abs=1e-5)
    assert all(np.isfinite(list(results[0].losses.values())))


@every_method
@pytest.mark.parametrize("shape", [(1, 8, 16), (3, 16, 8)])
def test_images_that_are_not_square(method: str, shape: tuple[int, int, int]) -> None:
    dataset = striped(shape=shape)
    state, _ = train(config_of(method, num_epochs=1), dataset)
    assert len(predict_split(state.model, dataset.test).probabilities_NK) == len(dataset.test)


@every_method
@pytest.mark.parametrize("quantizer_range", ["batch", "sample"])
def test_what_is_said_of_an_image_does_not_depend_on_its_batch(
    method: str, quantizer_range: str
) -> None:
    """Down to a batch of one; and asked twice, the same is said twice."""
    dataset = striped()
    config = config_of(method, num_epochs=1, quantizer_range=quantizer_range)
    model = train(config, dataset)[0].model.eval()
    images = torch.from_numpy(dataset.test.images_NCHW[:9])
    with torch.inference_mode():
        together, again = model.recognize(images), model.recognize(images)
        apart = [model.recognize(image[None]) for image in images]
    assert torch.equal(together.probabilities_BK, again.probabilities_BK)
    alone = torch.cat([said.probabilities_BK for said in apart])
    torch.testing.assert_close(alone, together.probabilities_BK, rtol=1e-4, atol=1e-5)
    assert (together.quantized_probabilities_BK is not None) == model.is_quantized_after_training
    assert (model.num_levels is None) == (together.levels_BN is None) == (model.feature_dim is None)
    if together.levels_BN is not None:
        levels = torch.cat([said.levels_BN for said in apart if said.levels_BN is not None])
        assert torch.equal(levels, together.levels_BN)
        assert together.levels_BN.shape == (9, model.feature_dim)
        assert 0 <= together.levels_BN.min() <= together.levels_BN.max() < model.num_levels


@every_method
def test_the_same_seed_gives_the_same_numbers_in_a_new_process(method: str) -> None:
    code = f"from tests.core.methods.problems import digest_of; print(digest_of({method!r}))"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    assert run.stdout.split()[-1] == digest_of(method)


@every_method
def test_another_seed_gives_other_weights_and_the_global_generator_stays(method: str) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, _ = train(config_of(method, num_epochs=1), striped())
    assert torch.equal(before, torch.get_rng_state())
    other, _ = train(config_of(method, num_epochs=1, seed=1), striped())
    ours, theirs = first.model.state_dict(), other.model.state_dict()
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)


@every_method
def test_stopped_and_resumed_equals_uninterrupted(method: str) -> None:
    dataset = striped()
    config = config_of(method, num_epochs=3)
    whole, expected = train(config, dataset)
    for stop_after in (1, 2):
        state = start(config, dataset)
        results = list(itertools.islice(fit(state, dataset), stop_after))
        torch.manual_seed(99)
        resumed = start(config, dataset)
        resumed.load_state_dict(saved(state))
        assert_same(saved(resumed), saved(state))
        results += list(fit(resumed, dataset))
        assert [result.losses for result in results] == [result.losses for result in expected]
        assert_same(saved(resumed), saved(whole))


@every_method
def test_early_stopping_reports_the_epoch_before_the_drop(method: str) -> None:
    # Of labels that nothing can learn, some epoch has fewer right than the one before.
    dataset = striped(minival_is_random=True)
    config = config_of(method, num_epochs=60, drops_to_stop=1)
    state, results = train(config, dataset)
    accuracies = [result.minival_accuracy for result in results]
    assert len(results) < 60, "the run must have met a drop for this test to mean anything"
    assert state.reported_epoch == len(results) - 2
    minival = predict_split(state.model, dataset.minival)
    assert accuracy(minival.probabilities_NK, dataset.minival.labels_N) == accuracies[-2]


@every_method
def test_attributes_change_nothing(method: str) -> None:
    config = config_of(method)
    state, _ = train(config, striped(attributes_seed=0))
    other, _ = train(config, striped(attributes_seed=1))
    assert_same(saved(state), saved(other))


@every_method
def test_numbers_are_there_or_absent_and_never_nan(method: str, tmp_path: Path) -> None:
    dataset = striped()
    state, results = train(config_of(method, num_epochs=1), dataset)
    (result,) = results
    evaluation = evaluate(state.model, result.tree, dataset, minival=result.minival)
    scalars = evaluation.scalars()
    numbers = [*result.losses.values(), *result.seconds.values(), *scalars.values()]
    assert all(map(np.isfinite, numbers))
    assert {"network", "data", "validation"} <= result.seconds.keys()
    assert {"minival_accuracy", "test_accuracy"} <= scalars.keys()
    has_tree, has_levels = result.tree is not None, state.model.num_levels is not None
    assert has_tree == ("tree" in result.seconds) == ("test_tree_accuracy" in scalars)
    assert has_levels == ("fidelity_score" in scalars) == ("zero_share" in scalars)
    assert has_levels == ("used_levels" in scalars)
    for name in ("minival_quantized_accuracy", "test_quantized_accuracy"):
        assert state.model.is_quantized_after_training == (name in scalars)
    write_artifacts(tmp_path, state, evaluation, dataset)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "weights.safetensors"} <= names
    assert has_tree == ({"tree.json", "tree.txt", "tree.png"} <= names)
    assert has_levels == ("attributes.parquet" in names)


@every_method
def test_step_sizes_follow_the_schedule_in_every_group(method: str) -> None:
    config = config_of(method, num_epochs=1, trunk_learning_rate_scale=0.5)
    state, _ = train(config, striped())
    groups = [g for o in state.method.optimizers.values() for g in o.param_groups]
    assert all(g["lr"] == pytest.approx(config.learning_rate * g["scale"]) for g in groups)
    scales = {id(p): group["scale"] for group in groups for p in group["params"]}
    assert len(scales) == sum(len(group["params"]) for group in groups), "none is trained twice"
    # A trunk's own layers have the trunk's scale as compared with some new layer.
    trunk = state.model.get_submodule("trunk")
    new = {id(parameter) for parameter in trunk.new_parameters()}
    own = {id(p) for p in trunk.parameters()} & scales.keys() - new
    (of_trunk,) = {scales[key] for key in own}
    assert any(scales[key] == pytest.approx(2 * of_trunk) for key in scales.keys() - own)


@every_method
def test_gradients_reach_the_parameters_that_optimizers_list_and_no_others(method: str) -> None:
    """All optimizers that step are watched, those of phases that come and go included."""
    reached: set[int] = set()

    def note(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        for group in optimizer.param_groups:
            reached.update(
                id(p) for p in group["params"] if p.grad is not None and bool(p.grad.any())
            )

    dataset = striped()
    state = start(config_of(method), dataset)
    before = {id(p): p.detach().clone() for p in state.model.parameters()}
    watching = register_optimizer_step_pre_hook(note)
    try:
        list(fit(state, dataset))
    finally:
        watching.remove()
    groups = [g for o in state.method.optimizers.values() for g in o.param_groups]
    listed = {id(parameter) for group in groups for parameter in group["params"]}
    names = {id(parameter): name for name, parameter in state.model.named_parameters()}
    assert listed <= names.keys(), "what is trained is part of the model, so it is saved"
    assert {names[key] for key in listed - reached} == set()
    for parameter in state.model.parameters():
        if id(parameter) not in listed and id(parameter) in before:
            assert torch.equal(parameter, before[id(parameter)]), names[id(parameter)]


@every_method
def test_weights_alone_give_the_same_answers(method: str) -> None:
    """Levels included, without calibrating or training anew."""
    dataset = striped()
    config = config_of(method)
    state, _ = train(config, dataset)
    weights = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    torch.manual_seed(3)
    other = start(config.replace({"seed": 5}), dataset)
    other.model.load_state_dict(weights)
    assert_same(dict(other.model.state_dict()), weights)
    ours, theirs = (predict_split(model, dataset.test) for model in (state.model, other.model))
    for field in dataclasses.fields(ours):
        first, second = getattr(ours, field.name), getattr(theirs, field.name)
        assert (first is None) == (second is None)
        assert first is None or np.array_equal(first, second)


@every_method
def test_fields_that_a_method_does_not_read_change_nothing(method: str) -> None:
    changes: dict[str, object] = {
        "feature_dim": 9,
        "feature_activation": "none",
        "num_bits": 2,
        "quantizer_range": "sample",
        "hidden_dim": 5,
        "label_weight": 3.0,
        "tree_weight": 0.5,
        "sparsity_weight": 0.2,
        "mask_probability": 0.9,
        "sparsity_norm": "l2",
        "sparsity_divisor": "dataset",
        "max_depth": 2,
        "tree_criterion": "squared_error",
        "update": "joint",
        "momentum": 0.5,
        "weight_decay": 0.1,
    }
    unread = OPTIONS[method].unread
    assert unread <= changes.keys()
    config = config_of(method, num_epochs=1)
    other = config.replace({name: changes[name] for name in unread})
    assert config.hash == other.hash
    check_method(other)
    dataset = striped()
    first, second = train(config, dataset)[0], train(other, dataset)[0]
    assert_same(saved(first)["model"], saved(second)["model"])


def _train_and_save(rank: int, world_size: int, method: str, folder: str) -> None:
    state, results = train(config_of(method, num_epochs=1), striped())
    values = {"model": state.model.state_dict(), "losses": dict(results[0].losses)}
    torch.save(values, f"{folder}/{world_size}-{rank}.pt")


@every_method
def test_several_workers_train_what_one_trains(method: str, tmp_path: Path) -> None:
    reason = METHODS[method].why_not_several_workers
    if reason is not None:
        assert reason.endswith(".")
        return
    for world_size in (1, 2):
        in_workers(_train_and_save, world_size, method, str(tmp_path))
    alone, first, second = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")
    )
    assert_same(first, second)
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-3)
    for name, tensor in alone["model"].items():
        torch.testing.assert_close(first["model"][name], tensor, rtol=1e-2, atol=1e-3, msg=name)
