"""ANT: paths, candidates that leave all else alone, decisions, and growth on scripted losses."""

import copy
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.config import TrainConfig
from core.config.options import ANTOptions
from core.data import Dataset, Split
from core.errors import ConfigError
from core.evaluation import evaluate
from core.extractor import AttributeExtractor
from core.extractor.artifacts import write_artifacts
from core.methods import check_method
from core.methods.ant import ANT, ANTModel
from core.methods.ant._growth import Growth, Trial, decide
from core.methods.ant._model import mixture, mixture_loss
from core.methods.ant._tree import NeuralTree
from core.predict import predict_split
from core.training import TrainState, fit
from tests.core.methods.problems import config_of, start, striped, train
from tests.core.methods.test_conformance import assert_same, saved
from tests.core.workers import in_workers

CHANNELS = 4


def small_tree(*, seed: int = 0) -> NeuralTree:
    torch.manual_seed(seed)
    return NeuralTree(5, channels=CHANNELS, hidden=6, num_classes=3, norm="group").eval()


def random_tree(num_leaves: int, *, seed: int) -> NeuralTree:
    """Unbalanced, with an extension here and there."""
    rng = np.random.default_rng(seed)
    tree = small_tree(seed=seed)
    extensions = 0
    while len(tree.leaves()) < num_leaves:
        leaf = int(rng.choice(tree.leaves()))
        is_extension = extensions < 2 and rng.random() < 0.3
        extensions += is_extension
        tree.attach(leaf, num_children=1 if is_extension else 2)
    return tree.eval()


def maps(count: int = 4, side: int = 8, *, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, side, side, generator=generator)


def enumerate_paths(tree: NeuralTree, x: Tensor, node: int = 0) -> list[tuple[int, float, Tensor]]:
    """Leaf, probability and classes of a single sample, recursively; products, no logarithms."""
    children = tree.children_of(node)
    if not children:
        return [(node, 1.0, tree.solver(node)(x).logits_BK.softmax(1)[0])]
    if len(children) == 1:
        return enumerate_paths(tree, tree.transformers[str(children[0])](x), children[0])
    left = tree.routers[str(node)](x).sigmoid().item()
    return [
        (leaf, share * probability, classes)
        for child, share in zip(children, (left, 1 - left), strict=True)
        for leaf, probability, classes in enumerate_paths(tree, x, child)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_paths_are_those_of_an_enumeration(seed: int) -> None:
    """Also in unbalanced trees, where a queue of probabilities is paired with the wrong leaves."""
    tree, x = random_tree(2 + seed, seed=seed), maps()
    with torch.no_grad():
        leaves = tree(x)
        probabilities = mixture(leaves)
        assert [leaf.node for leaf in leaves] == tree.leaves()
        paths = torch.stack([leaf.log_path_B.exp() for leaf in leaves])
        assert paths.sum(0).tolist() == pytest.approx([1] * 4)
        for index in range(4):
            found = enumerate_paths(tree, tree.root(x[index : index + 1]))
            by_leaf = {leaf: probability for leaf, probability, _ in found}
            for leaf in leaves:
                assert leaf.log_path_B[index].exp().item() == pytest.approx(by_leaf[leaf.node])
            expected = sum(probability * classes for _, probability, classes in found)
            torch.testing.assert_close(probabilities[index], expected)


def test_the_loss_is_that_of_the_mixture() -> None:
    tree, labels = random_tree(5, seed=3), torch.tensor([0, 1, 2, 0])
    leaves = tree(maps())
    expected = nn.functional.nll_loss(mixture(leaves).log(), labels, reduction="sum")
    torch.testing.assert_close(mixture_loss(leaves, labels), expected)


def test_two_copies_of_a_solver_say_what_it_said() -> None:
    """Whatever the router does; and so does one behind an edge that changes nothing."""
    for num_children in (2, 1):
        tree = random_tree(4, seed=5)
        before = mixture(tree(maps()))
        leaf = tree.leaves()[1]
        solver = tree.solver(leaf)
        tree.attach(leaf, num_children=num_children)
        for child in tree.children_of(leaf):
            tree.solvers[str(child)] = copy.deepcopy(solver)
            if num_children == 1:
                tree.transformers[str(child)] = nn.Identity()
        torch.testing.assert_close(mixture(tree(maps())), before)


def test_what_was_attached_comes_off_again() -> None:
    tree = random_tree(4, seed=2)
    before = {name: tensor.clone() for name, tensor in tree.state_dict().items()}
    leaf = tree.leaves()[0]
    solver = tree.solver(leaf)
    tree.attach(leaf, num_children=2)
    assert tree.state_dict().keys() != before.keys()
    with pytest.raises(ValueError, match="are not the newest nodes"):
        tree.detach(0, solver)
    tree.detach(leaf, solver)
    assert_same(dict(tree.state_dict()), before)


def test_an_extension_halves_the_map() -> None:
    tree = small_tree()
    tree.attach(0, num_children=1)
    tree.attach(1, num_children=2)
    assert tree.map_size(maps(side=7), 0) == (7, 7)
    assert tree.map_size(maps(side=7), 3) == (3, 3)
    assert tree.transformers["1"](tree.root(maps(side=7))).shape == (4, CHANNELS, 3, 3)
    assert [tree.depth(node) for node in range(4)] == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("split", "extend", "choice"),
    [
        (0.2, 0.3, "extend"),
        (0.3, 0.2, "split"),
        (0.2, 0.2, "split"),
        (0.2, -float("inf"), "split"),
        (-0.1, 0.1, "extend"),
        (0.1, -0.1, "split"),
        (-0.1, -0.2, None),
        (-0.2, -0.1, None),
        (0.0, 0.0, None),
    ],
)
def test_decisions(split: float, extend: float, choice: str | None) -> None:
    assert decide(split, extend) == choice


def test_a_trial_keeps_its_best_epoch_and_its_patience() -> None:
    part, trial = nn.Linear(2, 2), Trial()
    kept = None
    for epoch, (loss, is_over) in enumerate(
        [(3.0, False), (4.0, False), (2.0, False), (2.5, False), (2.0, True)]
    ):
        nn.init.constant_(part.weight, float(epoch))
        trial.record(loss, [part])
        kept = part.weight.detach().clone() if loss < 2.1 and epoch == 2 else kept
        assert trial.is_over(node_epochs=9, patience=2) == is_over, epoch
    trial.restore([part])
    assert torch.equal(part.weight, kept)
    assert trial.loss == 2.0
    assert Trial(epochs=9).is_over(node_epochs=9, patience=2)


def model_of(**options: object) -> tuple[ANTModel, ANTOptions]:
    config = config_of("ant", **{f"ant.{name}": value for name, value in options.items()})
    model = start(config, striped(shape=(1, 16, 16))).model
    assert isinstance(model, ANTModel)
    made = config.method_options
    assert isinstance(made, ANTOptions)
    return model, made


def grow(
    losses: Callable[[str, int], float], *, num_epochs: int = 100, **options: object
) -> tuple[ANTModel, list[tuple[str, int]]]:
    """Growth with a script in the place of training: what was tried, and the tree it comes to."""
    model, made = model_of(**{"node_epochs": 1, **options})
    growth = Growth(made, num_epochs=num_epochs, seed=0)
    tried = []
    for epoch in range(num_epochs):
        growth.advance(model, epoch=epoch, shape=(1, 16, 16))
        if growth.phase == "refine":
            break
        tried.append((growth.phase, growth.state_dict(model)["node"]))
        growth.record(losses(*tried[-1]), model)
    assert growth.phase == "refine"
    assert model.learning is None
    return model, tried


def test_growth_goes_through_layers_in_order() -> None:
    """16 pixels give a map of 4, which can be extended once."""
    script = {
        ("root", 0): 1.0,
        ("split", 0): 0.8,
        ("extend", 0): 0.9,
        # Leaf 1 is extended, leaf 2 stays; the layer has changed, so there is another.
        ("split", 1): 0.7,
        ("extend", 1): 0.6,
        ("split", 2): 0.6,
        ("extend", 2): 0.7,
        ("split", 3): 0.65,
    }
    model, tried = grow(lambda phase, node: script[phase, node])
    assert tried == list(script), "node 3 sees a map of 2, which is not extended"
    shape = [model.tree.children_of(node) for node in range(4)]
    assert shape == [(1, 2), (3,), (), ()]


def test_growth_goes_on_though_the_last_leaf_of_a_layer_keeps() -> None:
    """A published code forgets the change of an earlier leaf."""
    falling = iter(np.linspace(1, 0, 50))

    def losses(phase: str, node: int) -> float:
        if node == 2 or phase == "extend":
            return 9.0
        return float(next(falling))

    model, tried = grow(losses, max_depth=3)
    assert ("split", 3) in tried
    assert not model.tree.children_of(2)
    assert max(model.tree.depth(node) for node in model.tree.leaves()) == 3


def test_growth_ends_when_its_share_of_the_epochs_is_over() -> None:
    falling = iter(np.linspace(1, 0, 50))
    model, tried = grow(lambda *_: float(next(falling)), num_epochs=20, growth_share=0.25)
    assert tried == [("root", 0), ("split", 0), ("extend", 0), ("split", 1), ("split", 2)]
    # The last candidate was better as well, so it was chosen.
    assert [len(model.tree.children_of(node)) for node in range(4)] == [1, 2, 2, 0]
    model, tried = grow(lambda *_: 1.0, growth_share=0.0)
    assert (tried, model.tree.leaves()) == ([], [0])


def test_by_default_a_candidate_has_a_tenth_of_growths_epochs() -> None:
    for num_epochs, node_epochs in ((200, 10), (30, 1), (2, 1)):
        _, tried = grow(
            lambda phase, node: {"root": 1.0}.get(phase, 2.0),
            num_epochs=num_epochs,
            node_epochs=None,
            patience=99,
        )
        assert tried.count(("root", 0)) == node_epochs


def _grow_together(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    state, _ = train(config_of("ant", **{**GROWING, "num_epochs": 9}), striped(num_train=64))
    values = {"model": state.model.state_dict(), "growth": state.state_dict()["method"]}
    torch.save(values, f"{folder}/{world_size}-{rank}.pt")


@pytest.mark.slow
def test_workers_grow_the_same_tree(tmp_path: Path) -> None:
    _grow_together(0, 1, str(tmp_path))
    in_workers(_grow_together, 2, str(tmp_path))
    alone, first, second = (
        torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")
    )
    assert_same(first, second)
    shape = first["model"]["tree.children_M2"]
    assert len(shape) > 1
    assert torch.equal(shape, alone["model"]["tree.children_M2"])
    losses = [values["growth"]["growth"]["tree_loss"] for values in (first, alone)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_keeping_a_leaf_restores_it_to_the_last_bit() -> None:
    model, options = model_of(node_epochs=1)
    growth = Growth(options, num_epochs=100, seed=0)
    growth.advance(model, epoch=0, shape=None)
    growth.record(1.0, model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for epoch in (1, 2):
        assert growth.advance(model, epoch=epoch, shape=(1, 16, 16))
        assert model.state_dict().keys() != before.keys()
        growth.record(2.0, model)
    assert growth.advance(model, epoch=3, shape=(1, 16, 16))
    assert growth.phase == "refine"
    assert_same(dict(model.state_dict()), before)


def test_the_winner_comes_back_with_the_weights_of_its_best_epoch() -> None:
    model, options = model_of(node_epochs=3)
    growth = Growth(options, num_epochs=100, seed=0)
    wanted = None
    for epoch in range(100):
        growth.advance(model, epoch=epoch, shape=(1, 16, 16))
        if growth.phase == "refine":
            break
        at = growth.state_dict(model)
        loss = {"root": 1.0, "split": 0.5, "extend": 0.7}[growth.phase]
        if at["node"] != 0:
            loss = 9.0
        elif growth.phase == "split":
            with torch.no_grad():
                for part in model.tree.parts_below(0):
                    for parameter in part.parameters():
                        parameter.fill_(float(epoch))
            if at["trial"]["epochs"] == 1:
                wanted, loss = float(epoch), 0.4
        growth.record(loss, model)
    assert wanted is not None
    for part in model.tree.parts_below(0):
        assert all((parameter == wanted).all() for parameter in part.parameters())


def batch_norm_config(**changes: object) -> TrainConfig:
    """Both leaves and edges are tried, with statistics that could move."""
    options = {"ant.node_epochs": 1, "ant.growth_share": 0.9, "ant.patience": 9}
    return config_of("ant", trunk_norm="batch", **{"num_epochs": 10, **options, **changes})


def test_a_candidates_training_leaves_all_else_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, statistics of BatchNorm included."""
    dataset = striped(shape=(1, 16, 16))
    state = start(batch_norm_config(), dataset)
    method, model = state.method, state.model
    assert isinstance(method, ANT)
    assert isinstance(model, ANTModel)
    begun: dict[str, Tensor] = {}
    go_on = method.start_epoch

    def start_epoch(epoch: int) -> None:
        go_on(epoch)
        begun.clear()
        begun.update({name: tensor.clone() for name, tensor in model.state_dict().items()})

    monkeypatch.setattr(method, "start_epoch", start_epoch)
    phases = []
    for _ in itertools.islice(fit(state, dataset), 9):
        growth, after = method._growth, model.state_dict()
        assert begun.keys() == after.keys()
        moved = {name for name in after if not torch.equal(begun[name], after[name])}
        moved = {name for name in moved if not name.startswith("quantizer")}
        phases.append(growth.phase)
        if growth.phase == "refine":
            assert any("running_mean" in name for name in moved)
            break
        if growth.phase != "root":
            parts = set(model.tree.parts_below(growth._node))
            names = {name for name, module in model.named_modules() if module in parts}
            prefixes = tuple(f"{name}." for name in names)
            assert moved
            assert {name for name in moved if not name.startswith(prefixes)} == set()
            assert (growth.phase == "extend") == any("running_mean" in name for name in moved)
    assert {"root", "split", "extend"} <= set(phases)


GROWING: dict[str, object] = {
    "ant.growth_share": 0.8,
    "ant.node_epochs": 2,
    "ant.learning_rate": 0.03,
}
"""So little training of a candidate that there is something left to gain for the next."""


def random_labels(dataset: Dataset) -> Dataset:
    rng = np.random.default_rng(0)
    noise = {
        name: Split(
            images_NCHW=rng.integers(0, 255, split.images_NCHW.shape).astype(np.uint8),
            labels_N=split.labels_N,
            attributes_NA=split.attributes_NA,
        )
        for name, split in dataset.splits()
    }
    return Dataset(
        name="noise",
        class_names=dataset.class_names,
        attribute_names=dataset.attribute_names,
        **noise,
    )


def leaves_after_growth(dataset: Dataset, **options: object) -> tuple[int, list[float]]:
    changes = {f"ant.{name}": value for name, value in options.items()}
    state = start(config_of("ant", num_epochs=30, **{**GROWING, **changes}), dataset)
    method = state.method
    assert isinstance(method, ANT)
    losses = [method._growth._tree_loss for _ in fit(state, dataset)]
    assert isinstance(state.model, ANTModel)
    return len(state.model.tree.leaves()), losses


def test_it_grows_where_it_helps_and_keeps_where_nothing_can_be_learnt() -> None:
    grown, losses = leaves_after_growth(striped(num_train=64))
    finite = [loss for loss in losses if loss < float("inf")]
    assert grown > 1
    assert finite[-1] < finite[0], "the tree beats its root on held-out images"
    assert sorted(finite, reverse=True) == finite
    kept, _ = leaves_after_growth(random_labels(striped(num_train=64)), node_epochs=6)
    assert kept == 1


def test_growth_does_not_learn_from_what_it_holds_out() -> None:
    """Other labels there change no weight that is trained in the first epoch."""
    dataset = striped(num_train=40)
    config = config_of("ant", num_epochs=2)
    state = start(config, dataset)
    method = state.method
    assert isinstance(method, ANT)
    held = method._held_out_rows(40).numpy()
    assert held.sum() == 8
    labels = dataset.train.labels_N.copy()
    labels[held] = (labels[held] + 1) % 4
    train_split = Split(
        images_NCHW=dataset.train.images_NCHW,
        labels_N=labels,
        attributes_NA=dataset.train.attributes_NA,
    )
    other_data = Dataset(
        name="other",
        class_names=dataset.class_names,
        attribute_names=dataset.attribute_names,
        train=train_split,
        minival=dataset.minival,
        test=dataset.test,
    )
    other = start(config, other_data)
    next(fit(state, dataset))
    next(fit(other, other_data))
    assert_same(saved(state)["model"], saved(other)["model"])
    losses = [saved(s)["method"]["growth"]["trial"]["loss"] for s in (state, other)]
    assert losses[0] != losses[1], "it is what growth chooses by"


def test_resumed_at_any_point_of_growth_equals_uninterrupted() -> None:
    dataset = striped(shape=(1, 16, 16))
    config = batch_norm_config()
    whole, expected = train(config, dataset)
    assert isinstance(whole.model, ANTModel)
    for stop_after in range(1, 10):
        state = start(config, dataset)
        results = list(itertools.islice(fit(state, dataset), stop_after))
        resumed = start(config, dataset)
        drawn = torch.get_rng_state()
        resumed.load_state_dict(saved(state))
        assert torch.equal(torch.get_rng_state(), drawn), "nobody else's draws change"
        assert_same(saved(resumed), saved(state))
        results += list(fit(resumed, dataset))
        assert [r.losses for r in results] == [r.losses for r in expected]
        assert_same(saved(resumed), saved(whole))


def grown_state() -> tuple[TrainState, Dataset]:
    dataset = striped(num_train=64)
    state, _ = train(config_of("ant", num_epochs=30, **GROWING), dataset)
    assert isinstance(state.model, ANTModel)
    assert len(state.model.tree.leaves()) > 1
    return state, dataset


def test_a_grown_tree_is_loaded_from_its_weights(tmp_path: Path) -> None:
    state, dataset = grown_state()
    write_artifacts(tmp_path, state, evaluate(state.model, None, dataset), dataset)
    loaded = AttributeExtractor.load(tmp_path)
    outputs = predict_split(state.model, dataset.test)
    images = dataset.test.images_NCHW
    assert np.array_equal(loaded.transform(images), outputs.levels_ND)
    np.testing.assert_allclose(loaded.predict_proba(images), outputs.probabilities_NK, atol=1e-6)


@pytest.mark.parametrize("features", ["mean", "routed"])
def test_features_are_the_hidden_vectors_by_their_paths(features: str) -> None:
    state, dataset = grown_state()
    model = state.model
    assert isinstance(model, ANTModel)
    model._is_routed = features == "routed"
    model.eval()
    images = torch.from_numpy(dataset.test.images_NCHW[:5])
    with torch.no_grad():
        found = model.answer(images)
        leaves = model.leaves(images)
        paths = torch.stack([leaf.log_path_B.exp() for leaf in leaves], 1)
        for row in range(5):
            hidden = [leaf.solved.hidden_BN[row] for leaf in leaves]
            best = int(paths[row].argmax())
            mean = sum(p * h for p, h in zip(paths[row], hidden, strict=True))
            expected = hidden[best] if features == "routed" else mean
            torch.testing.assert_close(found.features_BN[row], expected)
            heads = [model.tree.solver(leaf.node).classifier for leaf in leaves]
            classes = [head(expected[None]).softmax(1)[0] for head in heads]
            by_path = sum(p * c for p, c in zip(paths[row], classes, strict=True))
            wanted = classes[best] if features == "routed" else by_path
            torch.testing.assert_close(found.classify(found.features_BN)[row], wanted)
        assert found.probabilities_BK is not None
        torch.testing.assert_close(found.probabilities_BK, mixture(leaves))


def test_early_stopping_does_not_look_at_growth() -> None:
    state, _ = grown_state()
    watched = [state.method.is_watched(epoch) for epoch in range(30)]
    first = watched.index(True)
    assert 0 < first <= 24
    assert watched == [epoch >= first for epoch in range(30)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ant.width": 0}, "`ant.width` must be at least 1"),
        ({"ant.max_depth": -1}, "`ant.max_depth` must be at least 0"),
        ({"ant.node_epochs": 0}, "`ant.node_epochs` must be at least 1"),
        ({"ant.patience": 0}, "`ant.patience` must be at least 1"),
        ({"ant.growth_share": 1}, r"`ant.growth_share` must lie in \[0, 1\), but got 1.0"),
        ({"ant.holdout": 0}, r"`ant.holdout` must lie in \(0, 1\)"),
        ({"ant.learning_rate": 0}, "`ant.learning_rate` must be above 0"),
        ({"ant.features": "all"}, "`ant.features` must be one of 'mean', 'routed'"),
        ({"trunk": "mlp"}, "`trunk` must have feature maps for the method 'ant'"),
        ({"accumulation_steps": 2}, "`accumulation_steps` must be 1 for the method 'ant'"),
        ({"compile": True}, "`compile` must be False for the method 'ant'"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_method(config_of("ant", **values))
