"""What every method leaves behind is loaded again, or says why not."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data import Dataset
from core.errors import DataError
from core.evaluation import evaluate
from core.extract import main
from core.extractor import AttributeExtractor, binarize
from core.extractor.artifacts import write_artifacts
from core.methods import METHODS
from core.predict import predict_split
from core.training import TrainState
from tests.core.methods.problems import CONFIGS, config_of, striped, train

OTHER_READINGS = {
    "ant grown": ("ant", {"num_epochs": 9, "ant.learning_rate": 0.03}),
    "dfl joint": ("dfl", {"dfl.features": "joint"}),
    "sdt leaves": ("sdt", {"sdt.features": "leaves"}),
    "protopnet pooled": ("protopnet", {"protopnet.features": "pooled"}),
    "quantized_dt full": ("quantized_dt", {"quantized_dt.structure": "full"}),
    "wsdan linear": ("wsdan", {"wsdan.features": "linear"}),
}
EVERYTHING = {**{name: (name, {}) for name in METHODS}, **OTHER_READINGS}


def finished(name: str, folder: Path) -> tuple[TrainState, Dataset]:
    method, options = EVERYTHING[name]
    dataset = striped()
    state, _ = train(config_of(method, **options), dataset)
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
    assert (said.reasons is None) == (said.tree_probabilities_NK is None) == (state.tree is None)
    loaded.save(tmp_path / "again")
    again = AttributeExtractor.load(tmp_path / "again")
    assert np.array_equal(again.transform(images), levels)


def test_reasons_without_a_tree_are_refused_in_words(tmp_path: Path) -> None:
    _, dataset = finished("sdt", tmp_path / "run")
    loaded = AttributeExtractor.load(tmp_path / "run")
    for ask in (loaded.explain, loaded.tree_predict, loaded.tree_predict_proba):
        with pytest.raises(DataError, match="The method 'sdt' has no tree, so there are no reason"):
            ask(dataset.test.images_NCHW)


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


def test_pictures_are_extracted_without_a_tree(tmp_path: Path) -> None:
    state, dataset = finished("sdt", tmp_path / "run")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(3):
        Image.fromarray(dataset.test.images_NCHW[index, 0]).save(pictures / f"{index}.png")
    output = tmp_path / "features.parquet"
    assert main([str(tmp_path / "run"), str(pictures), "--output", str(output)]) == 0
    table = pq.read_table(output)
    assert {"levels", "net_class", "net_probability"} <= set(table.column_names)
    assert not {"tree_class", "tree_probability", "reason"} & set(table.column_names)
    expected = predict_split(state.model, dataset.test).levels_ND
    assert expected is not None
    assert table["levels"].to_pylist() == expected[:3].tolist()


def test_files_of_two_runs_do_not_mix(tmp_path: Path) -> None:
    finished("sdt", tmp_path / "sdt")
    finished("quantized_dt", tmp_path / "dt")
    shutil.copy(tmp_path / "dt" / "weights.safetensors", tmp_path / "sdt" / "weights.safetensors")
    with pytest.raises(DataError, match="does not fit its config"):
        AttributeExtractor.load(tmp_path / "sdt")


def test_every_config_here_is_one_of_the_suite() -> None:
    assert {method for method, _ in EVERYTHING.values()} == CONFIGS.keys()
