"""What every method leaves behind is loaded again, or says why not."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data import Dataset
from core.errors import DataError
from core.evaluation import evaluate
from core.extract import main
from core.extractor import AttributeExtractor, AttributeMatch, binarize
from core.extractor._reasons import explain_prototypes
from core.extractor.artifacts import write_artifacts
from core.methods import METHODS, ROWS
from core.predict import predict_split
from core.training import TrainState
from tests.core.methods.problems import CONFIGS, config_of, striped, train

BESIDE_ROWS: Mapping[str, Mapping[str, Any]] = {
    "ant grown": {"method": "ant", "num_epochs": 9, "ant.learning_rate": 0.03},
    "jigsaw": {"method": "jigsaw"},
}
EVERYTHING: Mapping[str, Mapping[str, Any]] = {**ROWS, **BESIDE_ROWS}
WITH_TREE = {"quantized", "quantized+l1", "intersection"}
WITH_PROTOTYPES = {"protopnet", "pipnet"}


def method_of(name: str) -> str:
    return str(EVERYTHING[name].get("method", "intersection"))


def finished(name: str, folder: Path) -> tuple[TrainState, Dataset]:
    dataset = striped()
    changes = {key: value for key, value in EVERYTHING[name].items() if key != "method"}
    state, _ = train(config_of(method_of(name), **changes), dataset)
    folder.mkdir()
    write_artifacts(folder, state, evaluate(state.model, state.tree, dataset), dataset)
    return state, dataset


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_runs_folder_says_what_the_model_in_memory_says(name: str, tmp_path: Path) -> None:
    state, dataset = finished(name, tmp_path / "run")
    images = dataset.test.images_NCHW
    if state.model.num_levels is None:
        with pytest.raises(DataError, match="holds a run whose network has no levels"):
            AttributeExtractor.load(tmp_path / "run")
        return
    loaded = AttributeExtractor.load(tmp_path / "run")
    outputs = predict_split(state.model, dataset.test)
    levels = outputs.levels_ND
    assert levels is not None
    assert np.array_equal(loaded.transform(images), levels)
    np.testing.assert_allclose(loaded.predict_proba(images), outputs.probabilities_NK, atol=1e-6)
    bits = binarize(levels, num_levels=state.model.num_levels)
    assert np.array_equal(loaded.attributes(images), bits)
    assert len(loaded.get_feature_names_out()) == levels.shape[1]
    assert {match.attribute for match in loaded.trained_.matches} == {"x", "y", "z"}
    said = loaded.extract(images)
    assert (said.tree_probabilities_NK is not None) == (state.tree is not None)
    assert (state.tree is not None) == (name in WITH_TREE)
    assert loaded.has_reasons == (name in WITH_TREE | WITH_PROTOTYPES)
    if loaded.has_reasons:
        assert said.reasons == loaded.explain(images)
        kind = "feature" if name in WITH_TREE else "prototype"
        assert all(f"{kind} " in reason for reason in said.reasons or ())
    else:
        assert said.reasons is None
        with pytest.raises(DataError, match="leaves neither a tree of tests on levels nor protot"):
            loaded.explain(images)
    names = loaded.matched_attribute_names()
    assert loaded.matched_attributes(images).shape == (len(images), len(names))
    loaded.save(tmp_path / "again")
    again = AttributeExtractor.load(tmp_path / "again")
    assert np.array_equal(again.transform(images), levels)


@pytest.mark.parametrize("name", ["sdt", "protopnet"])
def test_predictions_without_a_tree_are_refused_in_words(name: str, tmp_path: Path) -> None:
    _, dataset = finished(name, tmp_path / "run")
    loaded = AttributeExtractor.load(tmp_path / "run")
    for ask in (loaded.tree_predict, loaded.tree_predict_proba):
        with pytest.raises(DataError, match=f"'{name}' leaves no tree of tests on levels, so"):
            ask(dataset.test.images_NCHW)


def test_a_reason_names_the_prototypes_that_speak_most_for_the_class(tmp_path: Path) -> None:
    _, dataset = finished("protopnet", tmp_path / "run")
    loaded = AttributeExtractor.load(tmp_path / "run")
    said = loaded.extract(dataset.test.images_NCHW)
    weights_KD = loaded.model_.prototype_weights()
    assert weights_KD is not None
    assert said.reasons is not None
    predicted_N = said.probabilities_NK.argmax(1)
    for levels_D, label, reason in zip(said.levels_ND, predicted_N, said.reasons, strict=True):
        strength = {
            feature: float(weights_KD[label, feature]) * int(level)
            for feature, level in enumerate(levels_D)
        }
        best = sorted(strength, key=lambda feature: (-strength[feature], feature))[:3]
        expected = [feature for feature in best if strength[feature] > 0]
        named = [int(found) for found in re.findall(r"prototype (\d+) is", reason)]
        assert named == expected
        for feature in named:
            assert f"prototype {feature} is {levels_D[feature]}" in reason


def test_prototypes_that_say_nothing_are_no_reason() -> None:
    weights_KD = np.array([[1.0, -1.0, 2.0], [0.0, 1.0, 0.0]])
    levels_ND = np.array([[3, 7, 2], [5, 0, 1]], dtype=np.uint8)
    match = AttributeMatch(
        attribute="crest", feature=2, level=2, polarity=True, f1=0.9, heldout_f1=None, floor=0.3
    )
    said = explain_prototypes(weights_KD, levels_ND, np.array([0, 1]), [match], num_levels=8)
    # Twice 2 is more than once 3; the second has nothing but what speaks for another class.
    assert said == [
        "crest (prototype 2 is 2) and prototype 0 is 3",
        "no prototype speaks for this class",
    ]


def test_a_lost_tree_is_missed_where_there_was_one(tmp_path: Path) -> None:
    finished("intersection", tmp_path / "run")
    (tmp_path / "run" / "tree.json").unlink()
    with pytest.raises(DataError, match=r"lacks tree\.json"):
        AttributeExtractor.load(tmp_path / "run")


def test_first_weights_need_not_be_there_any_more(tmp_path: Path) -> None:
    """A run that began from a file is loaded without it."""
    state, dataset = finished("sdt", tmp_path / "run")
    method = METHODS["sdt"]
    config = state.config.replace({"weights": str(tmp_path / "gone.pth")})
    model = method.build_model(config, in_channels=1, num_classes=dataset.num_classes)
    model.load_state_dict(state.model.state_dict())
    ours, theirs = (predict_split(m, dataset.test).levels_ND for m in (model, state.model))
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["sdt", "pipnet"])
def test_pictures_are_extracted_without_a_tree(name: str, tmp_path: Path) -> None:
    state, dataset = finished(name, tmp_path / "run")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(3):
        Image.fromarray(dataset.test.images_NCHW[index, 0]).save(pictures / f"{index}.png")
    output = tmp_path / "features.parquet"
    assert main([str(tmp_path / "run"), str(pictures), "--output", str(output)]) == 0
    table = pq.read_table(output)
    assert {"levels", "net_class", "net_probability"} <= set(table.column_names)
    assert not {"tree_class", "tree_probability"} & set(table.column_names)
    assert ("reason" in table.column_names) == (name == "pipnet")
    expected = predict_split(state.model, dataset.test).levels_ND
    assert expected is not None
    assert table["levels"].to_pylist() == expected[:3].tolist()


def test_files_of_two_runs_do_not_mix(tmp_path: Path) -> None:
    finished("sdt", tmp_path / "sdt")
    finished("quantized+dt", tmp_path / "dt")
    shutil.copy(tmp_path / "dt" / "weights.safetensors", tmp_path / "sdt" / "weights.safetensors")
    with pytest.raises(DataError, match="does not fit its config"):
        AttributeExtractor.load(tmp_path / "sdt")


def test_every_config_here_is_one_of_the_suite() -> None:
    assert {method_of(name) for name in EVERYTHING} == CONFIGS.keys()
