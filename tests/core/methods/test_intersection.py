"""Alg. 1: what it learns, what it must not see, exact resume, and how it fails."""

import dataclasses
import io
import itertools
import math

import numpy as np
import pytest
import torch

from core.config import TrainConfig
from core.data import Dataset, Split
from core.errors import DataError, NonFiniteLossError
from core.evaluation import evaluate
from core.losses import bernoulli_mask, label_loss, sparsity_loss, tree_loss
from core.methods import create_state
from core.methods.intersection import Intersection
from core.predict import accuracy, predict_split
from core.training import EpochEnd, EpochResult, TrainState, fit
from core.tree import DecisionTree, fit_tree
from tests.core.small import small_config, small_dataset

State = dict[str, torch.Tensor]


def start(config: TrainConfig, dataset: Dataset) -> TrainState:
    return create_state(config, in_channels=dataset.image_shape[0], num_classes=dataset.num_classes)


def train(config: TrainConfig, dataset: Dataset) -> tuple[TrainState, list[EpochResult]]:
    state = start(config, dataset)
    return state, list(fit(state, dataset))


def assert_same_weights(first: TrainState, second: TrainState) -> None:
    ours, theirs = first.model.state_dict(), second.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def test_it_learns_and_net_and_tree_agree() -> None:
    dataset = small_dataset()
    state, results = train(small_config(num_epochs=12), dataset)
    assert results[-1].minival_accuracy > 0.9
    assert state.tree is not None
    evaluation = evaluate(state.model, state.tree, dataset)
    assert evaluation.test_tree_accuracy > 0.9
    assert results[-1].losses["tree"] < results[0].losses["tree"]
    assert [result.epoch for result in results] == list(range(12))
    assert [result.is_last for result in results] == [False] * 11 + [True]


def test_minival_outputs_of_an_epoch_serve_its_evaluation() -> None:
    dataset = small_dataset()
    state = start(small_config(num_epochs=2), dataset)
    for result in fit(state, dataset):
        arguments = (state.model, result.tree, dataset)
        ours = evaluate(*arguments, minival=result.minival)
        assert ours.scalars() == evaluate(*arguments).scalars()
        assert ours.minival_accuracy == result.minival_accuracy


def test_what_a_tree_and_attributes_give_is_absent_without_them() -> None:
    dataset = small_dataset()
    state, _ = train(small_config(num_epochs=1), dataset)
    parts = {
        name: Split(
            images_NCHW=split.images_NCHW,
            labels_N=split.labels_N,
            attributes_NA=split.attributes_NA[:, :0],
        )
        for name in ("train", "minival", "test")
        for split in (getattr(dataset, name),)
    }
    bare = dataclasses.replace(dataset, attribute_names=(), **parts)
    everything = evaluate(state.model, state.tree, dataset).scalars()
    of_fidelity = {"fidelity_score", "fidelity_floor", "fidelity_heldout"}
    of_tree = {"minival_tree_accuracy", "test_tree_accuracy"}
    for tree, data, absent in (
        (state.tree, bare, of_fidelity),
        (None, dataset, of_tree),
        (None, bare, of_fidelity | of_tree),
    ):
        numbers = evaluate(state.model, tree, data).scalars()
        assert numbers == {name: x for name, x in everything.items() if name not in absent}
        assert everything.keys() - numbers.keys() == absent


def test_attributes_change_no_weight() -> None:
    config = small_config()
    state, _ = train(config, small_dataset(attributes_seed=0))
    other, _ = train(config, small_dataset(attributes_seed=1))
    assert_same_weights(state, other)


def test_same_seed_same_weights_other_seed_other_weights() -> None:
    dataset = small_dataset()
    state, _ = train(small_config(), dataset)
    again, _ = train(small_config(), dataset)
    other, _ = train(small_config(seed=1), dataset)
    assert_same_weights(state, again)
    names = [name for name, _ in state.model.named_parameters()]
    ours, theirs = state.model.state_dict(), other.model.state_dict()
    assert any(not torch.equal(ours[name], theirs[name]) for name in names)


def test_global_random_state_neither_matters_nor_moves() -> None:
    dataset = small_dataset()
    state, _ = train(small_config(), dataset)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again, _ = train(small_config(), dataset)
    assert torch.equal(before, torch.get_rng_state())
    assert_same_weights(state, again)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
@pytest.mark.parametrize("update", ["sequential", "joint"])
def test_stopped_and_resumed_equals_uninterrupted(stop_after: int, update: str) -> None:
    dataset = small_dataset()
    config = small_config(update=update, trunk_norm="batch")
    whole, expected = train(config, dataset)

    state = start(config, dataset)
    results = list(itertools.islice(fit(state, dataset), stop_after))
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    file.seek(0)
    resumed = start(config.replace({}), dataset)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    results += list(fit(resumed, dataset))

    assert_same_weights(whole, resumed)
    assert whole.minival_accuracies == resumed.minival_accuracies
    assert [r.losses for r in results] == [r.losses for r in expected]
    assert resumed.tree is not None
    assert whole.tree is not None
    assert resumed.tree.to_dict() == whole.tree.to_dict()


def test_a_checkpoint_of_another_config_is_refused() -> None:
    dataset = small_dataset()
    checkpoint = start(small_config(), dataset).state_dict()
    with pytest.raises(DataError, match="The checkpoint belongs to config"):
        start(small_config(seed=1), dataset).load_state_dict(checkpoint)


def test_one_step_is_alg_1_written_out() -> None:
    """Lines 9 to 13 for one batch, spelled out with autograd and plain SGD."""
    dataset = small_dataset(num_train=20)
    config = small_config(
        num_epochs=1, momentum=0.0, weight_decay=0.0, schedule="constant", sparsity_weight=0.1
    )
    state, _ = train(config, dataset)

    model = start(config, dataset).model
    model.train()
    order = np.random.default_rng([config.seed, 0]).permutation(20)
    images = torch.from_numpy(dataset.train.images_NCHW[order])
    labels = torch.from_numpy(dataset.train.labels_N[order])
    levels = model.levels(images)
    logits = model.classify(levels.detach())
    tree = fit_tree(
        levels.detach().numpy().astype(np.uint8),
        logits.detach().softmax(1).numpy(),
        num_levels=config.num_levels,
        max_depth=config.max_depth,
    )
    target = torch.from_numpy(tree.predict(levels.detach().numpy().astype(np.uint8))).float()
    rate = config.learning_rate

    def eq6(u: torch.Tensor) -> torch.Tensor:
        return 2 * label_loss(u, labels, divisor=20) + tree_loss(u, target, divisor=20)

    gradients = torch.autograd.grad(eq6(logits), list(model.classifier.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(model.classifier.parameters(), gradients, strict=True):
            parameter -= rate * gradient
    # The mask of epoch 0, step 0.
    mask = bernoulli_mask(12, config.mask_probability, generator=torch.Generator().manual_seed(0))
    extractor = [*model.trunk.parameters(), *model.projection.parameters()]
    loss = eq6(model.classify(levels)) + 0.1 * sparsity_loss(levels, mask, norm="l1", divisor=20)
    gradients = torch.autograd.grad(loss, extractor)
    with torch.no_grad():
        for parameter, gradient in zip(extractor, gradients, strict=True):
            parameter -= rate * gradient
    trained = state.model.state_dict()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(trained[name], parameter.data, rtol=1e-5, atol=1e-7)


def test_without_tree_weight_the_tree_changes_no_weight_but_is_there() -> None:
    dataset = small_dataset()
    state, results = train(small_config(tree_weight=0.0), dataset)
    deeper, _ = train(small_config(tree_weight=0.0, max_depth=1), dataset)
    assert_same_weights(state, deeper)
    assert all(result.losses.keys() == {"label", "sparsity"} for result in results)
    assert state.tree is not None
    assert state.tree.depth > 1


def test_mask_probability_zero_equals_no_sparsity_weight() -> None:
    dataset = small_dataset()
    masked, _ = train(small_config(mask_probability=0.0, sparsity_weight=0.5), dataset)
    without, _ = train(small_config(sparsity_weight=0.0), dataset)
    assert_same_weights(masked, without)


def test_sparsity_makes_levels_sparser() -> None:
    dataset = small_dataset()

    def zero_share(weight: float) -> float:
        state, _ = train(small_config(sparsity_weight=weight, num_epochs=8), dataset)
        return float(np.mean(predict_split(state.model, dataset.test).levels_ND == 0))

    assert zero_share(0.05) > zero_share(0.0)


def test_dataset_divisor_is_the_batch_divisor_scaled() -> None:
    dataset = small_dataset(num_train=80)
    literal, _ = train(
        small_config(sparsity_divisor="dataset", sparsity_weight=0.4, batch_size=20), dataset
    )
    scaled, _ = train(
        small_config(sparsity_divisor="batch", sparsity_weight=0.1, batch_size=20), dataset
    )
    for name, tensor in literal.model.state_dict().items():
        torch.testing.assert_close(tensor, scaled.model.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_early_stopping_reports_the_epoch_before_the_drop() -> None:
    dataset = small_dataset()
    config = small_config(num_epochs=60, drops_to_stop=1, learning_rate=0.2, momentum=0.5)
    state, results = train(config, dataset)
    accuracies = [result.minival_accuracy for result in results]
    assert len(results) < 60, "the run must have met a drop for this test to mean anything"
    assert accuracies[-1] < accuracies[-2]
    assert state.reported_epoch == len(results) - 2
    minival = predict_split(state.model, dataset.minival)
    assert accuracy(minival.probabilities_NK, dataset.minival.labels_N) == accuracies[-2]


def test_a_loss_that_is_not_finite_ends_the_run_at_once() -> None:
    dataset = small_dataset()
    config = small_config(learning_rate=1e30)
    with pytest.raises(NonFiniteLossError) as error:
        train(config, dataset)
    message = str(error.value)
    assert message.startswith("loss is ")
    assert "at epoch 0, step" in message
    assert f"(config {config.hash}, seed 0): the trial is marked failed." in message


def test_quantizer_by_sample_and_bf16_run() -> None:
    dataset = small_dataset()
    _, results = train(small_config(quantizer_range="sample", precision="bf16"), dataset)
    assert results[-1].minival_accuracy > 0.5


def test_a_timm_trunk_trains() -> None:
    dataset = small_dataset(num_train=24)
    state, results = train(
        small_config(trunk="test_resnet", trunk_norm="batch", num_epochs=1, batch_size=12), dataset
    )
    assert math.isfinite(results[0].losses["label"])
    assert state.tree is not None


class Curious(Intersection):
    """Keeps what it is shown at the end of an epoch, and what it then draws."""

    def end_epoch(self, at: EpochEnd) -> DecisionTree:
        self.shown, self.drawn = at, torch.rand(1).item()
        return super().end_epoch(at)


def test_between_epochs_a_method_sees_images_but_no_attributes() -> None:
    dataset = small_dataset(num_train=20)
    drawn = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        config = small_config(num_epochs=1)
        method = Curious.create(config, in_channels=1, num_classes=4, device=torch.device("cpu"))
        list(fit(TrainState(config=config, method=method), dataset))
        drawn.append(method.drawn)
    assert drawn[0] == drawn[1], "the epoch's own generator, whatever the global one did before"
    for shown, split in (
        (method.shown.train, dataset.train),
        (method.shown.minival, dataset.minival),
    ):
        assert np.array_equal(shown.images_NCHW, split.images_NCHW)
        assert np.array_equal(shown.labels_N, split.labels_N)
        assert shown.attributes_NA.shape == (len(split), 0)
