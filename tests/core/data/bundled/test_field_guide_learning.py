"""Species can be learned, from pixels in part and from true attributes in full."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from core.data import Dataset, FieldGuideParams, Split, load_field_guide
from core.data.bundled.field_guide import SPECIES


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    params = FieldGuideParams(images_per_species=20)
    return load_field_guide(params, cache_dir=tmp_path_factory.mktemp("cache"))


def pixels(split: Split) -> np.ndarray:
    return split.images_NCHW.reshape(len(split), -1) / 255


def test_a_linear_classifier_of_pixels_beats_chance_by_far(guide: Dataset) -> None:
    classifier = make_pipeline(PCA(60, svd_solver="full"), LogisticRegression(max_iter=500))
    classifier.fit(pixels(guide.train), guide.train.labels_N)
    assert classifier.score(pixels(guide.test), guide.test.labels_N) > 8 / len(SPECIES)


def test_the_picture_without_its_middle_does_not_give_the_species_away(guide: Dataset) -> None:
    def corners(split: Split) -> np.ndarray:
        upper = split.images_NCHW[:, :, :5]
        return np.concatenate([upper[..., :5], upper[..., -5:]], axis=-1).reshape(len(split), -1)

    forest = RandomForestClassifier(50, random_state=0)
    forest.fit(corners(guide.train), guide.train.labels_N)
    accuracy = forest.score(corners(guide.test), guide.test.labels_N)
    assert accuracy < 4 / len(SPECIES)


def test_recorded_attributes_nearly_tell_the_species(guide: Dataset) -> None:
    forest = RandomForestClassifier(50, random_state=0)
    forest.fit(guide.train.attributes_NA, guide.train.labels_N)
    assert forest.score(guide.test.attributes_NA, guide.test.labels_N) > 0.85


def test_a_tree_of_true_attributes_tells_every_species(tmp_path: Path) -> None:
    params = FieldGuideParams(
        image_size=16, images_per_species=10, label_noise=0, hide_probability=0
    )
    exact = load_field_guide(params, cache_dir=tmp_path)
    tree = DecisionTreeClassifier(random_state=0)
    tree.fit(exact.train.attributes_NA, exact.train.labels_N)
    assert tree.score(exact.test.attributes_NA, exact.test.labels_N) == 1


def test_default_splits_and_prevalence(guide: Dataset) -> None:
    for name, per_species in (("train", 12), ("minival", 2), ("test", 6)):
        split = dict(guide.splits())[name]
        assert np.array_equal(np.bincount(split.labels_N), np.full(len(SPECIES), per_species))
        assert 0.1 < split.attributes_NA.mean() < 0.3
        assert split.attributes_NA.any(axis=0).all()
