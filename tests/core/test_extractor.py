"""The extractor on images: what a trial leaves behind, what it says, what it refuses."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score

from core.config import TrainConfig
from core.data import Dataset, Split, load_dataset
from core.errors import ConfigError, DataError
from core.extractor import (
    AttributeExtractor,
    AttributeMatch,
    TrainedExtractor,
    attribute_matches,
    binarize,
)
from core.extractor._reasons import rule_text
from core.extractor._training import holdout
from core.fidelity import fidelity
from core.methods import create_state
from core.predict import predict_split
from core.training import TrainState, fit
from core.tree import DecisionTree, reason, rule_of, rules
from sweep.engine.trial import TrialRun, TrialSettings
from sweep.tracking.store import TrialStore
from tests.core.small import small_config, small_dataset
from tests.sweep.tiny import TINY

METHODS = (
    *("transform", "attributes", "matched_attributes", "predict", "predict_proba"),
    *("tree_predict", "tree_predict_proba", "explain"),
)
CHANGES = {
    "num_epochs": 4,
    "batch_size": 32,
    "learning_rate": 0.1,
    "trunk_learning_rate_scale": 1.0,
    "drops_to_stop": None,
}


@dataclasses.dataclass(frozen=True)
class Trial:
    """A finished one: its folder, and model and tree as its last checkpoint holds them."""

    folder: Path
    state: TrainState
    dataset: Dataset

    @property
    def tree(self) -> DecisionTree:
        assert self.state.tree is not None
        return self.state.tree


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """What a sweep does for one config of a few epochs on digits."""
    root = tmp_path_factory.mktemp("trial")
    base = TrainConfig().replace({**TINY, **CHANGES})
    its = TrialSettings(
        base=base.to_dict(),
        sweep_id="s",
        storage=str(root / "store"),
    )
    run = TrialRun(base, its)
    while not run.advance().done:
        pass
    store = TrialStore.of(its.storage, its.sweep_id, base.hash, load_dataset("digits").fingerprint)
    folder = root / "artifacts"
    folder.mkdir()
    store.get_artifacts(folder)
    checkpoint = store.load()
    assert checkpoint is not None
    state = create_state(base, in_channels=1, num_classes=10)
    state.load_state_dict(checkpoint["state"])
    return Trial(folder, state, load_dataset("digits"))


@pytest.fixture(scope="module")
def loaded(trial: Trial) -> AttributeExtractor:
    return AttributeExtractor.load(trial.folder)


def test_a_trials_folder_predicts_as_the_model_in_memory(
    trial: Trial, loaded: AttributeExtractor
) -> None:
    test = trial.dataset.test
    outputs = predict_split(trial.state.model, test)
    assert np.array_equal(loaded.transform(test.images_NCHW), outputs.levels_ND)
    names = np.array(trial.dataset.class_names)
    predicted = loaded.predict(test.images_NCHW)
    assert np.array_equal(predicted, names[outputs.probabilities_NK.argmax(1)])
    probabilities = loaded.predict_proba(test.images_NCHW)
    np.testing.assert_allclose(probabilities, outputs.probabilities_NK, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-12)
    tree = trial.tree.predict(outputs.levels_ND)
    assert np.array_equal(loaded.tree_predict_proba(test.images_NCHW), tree)
    assert np.array_equal(loaded.tree_predict(test.images_NCHW), names[tree.argmax(1)])
    assert loaded.score(test.images_NCHW, names[test.labels_N]) > 0.5
    assert len(np.unique(predicted)) > 5, "a network that learnt something"


def test_matches_are_those_of_the_fidelity(trial: Trial, loaded: AttributeExtractor) -> None:
    """F1 of the attributes that the loaded extractor says, by scikit-learn."""
    test = trial.dataset.test
    said_NA = loaded.matched_attributes(test.images_NCHW)
    names = loaded.matched_attribute_names()
    f1 = {match.attribute: match.f1 for match in loaded.trained_.matches}
    assert set(f1) == set(trial.dataset.attribute_names)
    assert len(names) > 8
    for name, said_N in zip(names, said_NA.T, strict=True):
        column = trial.dataset.attribute_names.index(name)
        assert f1_score(test.attributes_NA[:, column], said_N) == pytest.approx(f1[name])


def test_b_of_v_holds_every_match(trial: Trial, loaded: AttributeExtractor) -> None:
    images = trial.dataset.test.images_NCHW[:40]
    bits_NC = loaded.attributes(images)
    width = loaded.trained_.config.feature_dim * loaded.trained_.config.num_levels
    assert bits_NC.shape == (40, 2 * width)
    levels_ND = loaded.transform(images)
    for match in loaded.trained_.matches:
        column = match.feature * loaded.trained_.config.num_levels + match.level
        column += 0 if match.polarity else width
        assert np.array_equal(bits_NC[:, column], match.holds(levels_ND))


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_binarize_is_the_papers(num_samples: int, num_features: int, seed: int) -> None:
    """u1[i, j] = 1[v_i = j], u2[i, j] = 1[v_i != j], u = u1 || u2, entry by entry."""
    levels = np.random.default_rng(seed).integers(0, 4, (num_samples, num_features))
    bits = binarize(levels.astype(np.uint8), num_levels=4)
    for v, u in zip(levels, bits, strict=True):
        u1 = [v[i] == j for i in range(num_features) for j in range(4)]
        u2 = [v[i] != j for i in range(num_features) for j in range(4)]
        assert u.tolist() == u1 + u2


def test_saved_and_loaded_gives_the_same(trial: Trial, tmp_path: Path) -> None:
    first = AttributeExtractor.load(trial.folder)
    first.save(tmp_path / "new" / "model")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["model"]
    second = AttributeExtractor.load(tmp_path / "new" / "model")
    images = trial.dataset.test.images_NCHW[:64]
    for method in METHODS:
        assert np.array_equal(getattr(first, method)(images), getattr(second, method)(images))
    assert first.get_params() == second.get_params()
    assert first.trained_.matches == second.trained_.matches


def test_another_order_of_samples_is_another_order_of_results(
    trial: Trial, loaded: AttributeExtractor
) -> None:
    images = trial.dataset.test.images_NCHW[:50]
    order = np.random.default_rng(0).permutation(len(images))
    for method in METHODS:
        straight = np.asarray(getattr(loaded, method)(images))
        shuffled = np.asarray(getattr(loaded, method)(images[order]))
        if straight.dtype.kind == "f":
            np.testing.assert_allclose(shuffled, straight[order], rtol=1e-5, atol=1e-8)
        else:
            assert np.array_equal(shuffled, straight[order]), method


def test_everything_at_once_is_each_by_itself(trial: Trial, loaded: AttributeExtractor) -> None:
    images = trial.dataset.test.images_NCHW[:20]
    said = loaded.extract(images)
    assert np.array_equal(said.levels_ND, loaded.transform(images))
    assert np.array_equal(said.probabilities_NK, loaded.predict_proba(images))
    assert np.array_equal(said.tree_probabilities_NK, loaded.tree_predict_proba(images))
    assert said.reasons == loaded.explain(images)


def test_floats_and_bytes_are_the_same_images(trial: Trial, loaded: AttributeExtractor) -> None:
    images = trial.dataset.test.images_NCHW[:30]
    as_floats = images.astype(np.float32) / np.float32(255)
    assert np.array_equal(loaded.transform(images), loaded.transform(as_floats))
    readonly = images.copy()
    readonly.flags.writeable = False
    assert np.array_equal(loaded.transform(images), loaded.transform(readonly))


def test_many_rows_go_through_in_parts(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = AttributeExtractor.load(trial.folder)
    images = trial.dataset.test.images_NCHW[:21]
    whole = extractor.extract(images)
    monkeypatch.setattr("core.predict._CHUNK_VALUES_CPU", 64 * 4)
    parts = extractor.extract(images)
    assert np.array_equal(parts.levels_ND, whole.levels_ND)
    np.testing.assert_allclose(parts.probabilities_NK, whole.probabilities_NK, rtol=1e-5)


def test_reasons_hold_for_each_sample(trial: Trial, loaded: AttributeExtractor) -> None:
    """Read each condition back from its words, and follow the tree's arrays beside it."""
    images = trial.dataset.test.images_NCHW
    levels_ND = loaded.transform(images)
    tree = trial.tree
    leaf_N = tree.apply(levels_ND)
    texts = loaded.explain(images)
    for text, leaf, levels_D in zip(texts, leaf_N, levels_ND, strict=True):
        ranges = path_ranges(tree, levels_D)
        words = text.split(" and ")
        assert len(words) == len(ranges) > 0
        for word, (feature, (low, high)) in zip(words, ranges.items(), strict=True):
            plain = reason(tree, rule_of(tree, int(leaf))).split(" and ")[words.index(word)]
            assert plain in word
            assert low <= levels_D[feature] <= high
            assert plain == range_in_words(feature, low, high, tree.num_levels)
    assert any("(feature" in text for text in texts), "some features are named by an attribute"


def path_ranges(tree: DecisionTree, levels_D: npt.NDArray[Any]) -> dict[int, tuple[int, int]]:
    """What the tests on a sample's path ask of each feature, by ascending feature."""
    ranges: dict[int, tuple[int, int]] = {}
    node = 0
    while tree.left[node] != node:
        feature, threshold = int(tree.feature[node]), int(tree.threshold[node])
        low, high = ranges.get(feature, (0, tree.num_levels - 1))
        if levels_D[feature] <= threshold:
            ranges[feature], node = (low, min(high, threshold)), int(tree.left[node])
        else:
            ranges[feature], node = (max(low, threshold + 1), high), int(tree.right[node])
    return dict(sorted(ranges.items()))


def range_in_words(feature: int, low: int, high: int, num_levels: int) -> str:
    if low == high:
        return f"feature {feature} is {low}"
    if low == 0:
        return f"feature {feature} is at most {high}"
    if high == num_levels - 1:
        return f"feature {feature} is at least {low}"
    return f"feature {feature} is from {low} to {high}"


def match(**changes: Any) -> AttributeMatch:
    values: dict[str, Any] = {
        "attribute": "hooked bill",
        "feature": 1,
        "level": 0,
        "polarity": False,
        "f1": 0.9,
        "heldout_f1": 0.8,
        "floor": 0.4,
    }
    return AttributeMatch(**{**values, **changes})


@pytest.mark.parametrize(
    ("matches", "left", "right"),
    [
        ([], "feature 1 is at most 4", "feature 1 is at least 5"),
        (
            [match()],
            "feature 1 is at most 4 (all but 0 mean hooked bill)",
            "hooked bill (feature 1 is at least 5)",
        ),
        (
            [match(level=7, polarity=True)],
            "not hooked bill (feature 1 is at most 4)",
            "feature 1 is at least 5 (7 means hooked bill)",
        ),
        ([match(f1=0.4)], "feature 1 is at most 4", "feature 1 is at least 5"),
        ([match(feature=0)], "feature 1 is at most 4", "feature 1 is at least 5"),
        (
            # What a range decides goes before a higher F1.
            [match(), match(attribute="crest", level=6, f1=0.6, polarity=True)],
            "not crest (feature 1 is at most 4)",
            "hooked bill (feature 1 is at least 5)",
        ),
    ],
    ids=["no match", "other than", "equal to", "no better than constant", "elsewhere", "several"],
)
def test_words_by_hand(matches: list[AttributeMatch], left: str, right: str) -> None:
    tree = DecisionTree(
        feature=np.array([1, 0, 0], dtype=np.int32),
        threshold=np.array([4, 0, 0], dtype=np.int32),
        left=np.array([1, 1, 2], dtype=np.int32),
        right=np.array([2, 1, 2], dtype=np.int32),
        value=np.array([[0.5, 0.5], [1, 0], [0, 1]]),
        num_samples=np.array([4, 2, 2]),
        num_levels=8,
        num_features=2,
    )
    assert [rule_text(tree, rule, matches) for rule in rules(tree)] == [left, right]


def test_a_tree_of_one_leaf_says_always() -> None:
    one = np.zeros(1, dtype=np.int32)
    tree = DecisionTree(
        feature=one,
        threshold=one,
        left=one,
        right=one,
        value=np.array([[0.5, 0.5]]),
        num_samples=np.array([4]),
        num_levels=8,
        num_features=2,
    )
    assert rule_text(tree, rule_of(tree, 0), [match()]) == "always"


def test_fit_on_images_is_alg_1(tmp_path: Path) -> None:
    """The same weights as `core.training.fit` gives on the rows that were held out."""
    data = small_dataset().train
    config = small_config()
    names = ("seed", "dataset", "split_seed")
    given_by_name = {
        name: getattr(config, name)
        for name in AttributeExtractor().get_params()
        if hasattr(config, name)
    }
    other = {
        name: value
        for name, value in config.to_dict().items()
        if name not in given_by_name and name not in names
    }
    extractor = AttributeExtractor(
        **given_by_name, other_settings=other, validation_fraction=0.25
    ).fit(data.images_NCHW, data.labels_N)
    assert extractor.trained_.config == config.replace({"dataset": "arrays"})

    train_rows, minival_rows = holdout(data.labels_N, 0.25, config=config)
    parts = {
        part: Split(
            images_NCHW=data.images_NCHW[rows],
            labels_N=data.labels_N[rows],
            attributes_NA=data.attributes_NA[rows],
        )
        for part, rows in (("train", train_rows), ("minival", minival_rows))
    }
    state = create_state(config, in_channels=1, num_classes=4)
    accuracies = [
        result.minival_accuracy
        for result in fit(state, dataclasses.replace(small_dataset(), **parts))
    ]
    assert extractor.minival_accuracies_ == accuracies
    ours, theirs = extractor.model_.state_dict(), state.model.state_dict()
    assert all(np.array_equal(ours[key], theirs[key]) for key in theirs)
    assert extractor.tree_ == state.tree
    assert not hasattr(extractor, "n_features_in_")

    test = small_dataset().test
    extractor.match_attributes(test.images_NCHW, test.attributes_NA, ("x", "y", "z"))
    wanted = fidelity(test.attributes_NA, extractor.transform(test.images_NCHW), num_levels=8)
    assert extractor.trained_.matches == attribute_matches(wanted, ("x", "y", "z"))
    extractor.save(tmp_path / "model")
    loaded = AttributeExtractor.load(tmp_path / "model")
    assert loaded.trained_.matches == extractor.trained_.matches
    assert loaded.predict(test.images_NCHW).dtype == data.labels_N.dtype


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=6),
    st.integers(2, 8),
    st.floats(0.05, 0.9),
)
@settings(max_examples=40, deadline=None)
def test_holdout_keeps_every_class(counts: list[int], batch_size: int, fraction: float) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    config = small_config(batch_size=batch_size, trunk_norm="batch")
    if max(counts) == 1:
        with pytest.raises(DataError, match="a class of its own"):
            holdout(labels, fraction, config=config)
        return
    try:
        train, minival = holdout(labels, fraction, config=config)
    except ConfigError as error:
        assert "leaves a batch of one" in str(error)  # noqa: PT017
        return
    assert sorted([*train, *minival]) == list(range(len(labels)))
    assert set(labels[train]) == set(range(len(counts)))
    assert len(minival) > 0
    assert len(train) % batch_size != 1


def copied(trial: Trial, folder: Path) -> Path:
    TrainedExtractor.load(trial.folder).save(folder / "model")
    return folder / "model"


def change_settings(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "extractor.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def change_weights(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    first = "projection.0.weight"
    weights[f"{first}.extra"] = weights.pop(first)
    key = "classifier.0.bias"
    weights[key] = weights[key][:-1].clone()
    save_file(weights, folder / "weights.safetensors")


def shallow_tree(folder: Path) -> None:
    tree = json.loads((folder / "tree.json").read_text())
    (folder / "tree.json").write_text(json.dumps({**tree, "num_features": 99}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "tree.json").unlink(), "lacks tree.json: give a folder that"),
        (
            lambda folder: (folder / "extractor.json").write_text("{"),
            "extractor.json' is no JSON",
        ),
        (change_settings(version=2), "must be of version 1, but is of version 2"),
        (change_settings(config={"feature_dimm": 8}), "no field of TrainConfig. Did you mean"),
        (change_settings(input_shape=[1, 8]), "is not as `save` writes it"),
        (change_settings(classes={"values": ["a"]}), "is not as `save` writes it: 'dtype'"),
        (
            change_weights,
            r"projection.0.weight is missing; projection.0.weight.extra is not of this model",
        ),
        (change_weights, r"classifier.0.bias has shape \(7,\) instead of \(8,\)"),
        (
            lambda folder: (folder / "weights.safetensors").write_bytes(b"\x00" * 30),
            "is no safetensors file",
        ),
        (shallow_tree, r"The tree .*\(8, 8, 10\), but has \(99, 8, 10\)"),
        (
            change_settings(matches=[dataclasses.asdict(match(feature=8))]),
            "matches 'hooked bill' with feature 8 at level 0, but there are 8 features of 8",
        ),
        (
            change_settings(scaling={"mean": [0.0], "scale": [1.0], "names": None}),
            r"scales 1 features, but inputs have shape \(1, 8, 8\)",
        ),
    ],
)
def test_damaged_folders_are_refused(
    trial: Trial, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = copied(trial, tmp_path)
    AttributeExtractor.load(folder)
    damage(folder)
    with pytest.raises(DataError, match=message):
        AttributeExtractor.load(folder)


def test_settings_that_lack_a_part_are_refused(trial: Trial, tmp_path: Path) -> None:
    folder = copied(trial, tmp_path)
    values = json.loads((folder / "extractor.json").read_text())
    del values["classes"], values["scaling"]
    (folder / "extractor.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match="lacks classes, scaling"):
        AttributeExtractor.load(folder)


def test_places_are_refused(trial: Trial, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent' is no folder: give a folder that `save` wrote"):
        AttributeExtractor.load(tmp_path / "absent")
    folder = copied(trial, tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DataError, match="exists already: give a new folder, or remove it before"):
        TrainedExtractor.load(trial.folder).save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((2, 1, 8, 9), dtype=np.uint8),
            r"those in training, \(1, 8, 8\) .* have \(1, 8, 9",
        ),
        (np.zeros((1, 8, 8), dtype=np.uint8), r"array of shape \(N, channels, height, width\)"),
        (np.zeros((0, 1, 8, 8), dtype=np.uint8), "with at least one row"),
        (np.full((1, 1, 8, 8), 200.0), r"must lie in \[0, 1\], but reach from 200 to 200"),
        (np.full((1, 1, 8, 8), np.nan), r"must lie in \[0, 1\], but reach from nan to nan"),
        (np.zeros((1, 1, 8, 8), dtype=np.int64), "must be uint8, or floats .* the dtype is int64"),
    ],
)
def test_images_are_refused(
    loaded: AttributeExtractor, images: npt.NDArray[Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        loaded.transform(images)


def test_vectors_in_the_trunks_place_and_images_in_theirs() -> None:
    images = small_dataset().train
    with pytest.raises(ConfigError, match="`trunk` must not be 'mlp' for images"):
        AttributeExtractor(trunk="mlp").fit(images.images_NCHW, images.labels_N)


def test_importing_core_stays_light() -> None:
    code = (
        "import sys, core\n"
        "assert not {'torch', 'sklearn', 'PIL', 'numpy'} & set(sys.modules)\n"
        "import core.extractor\n"
        "assert not {'sklearn', 'PIL'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    import core

    assert core.AttributeExtractor is AttributeExtractor
    with pytest.raises(AttributeError, match="no attribute 'Extractor'"):
        core.Extractor  # noqa: B018
