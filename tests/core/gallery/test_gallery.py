"""Pictures of a trained network's features, on images whose levels are known from the network."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from core.data import Dataset, Split
from core.errors import ConfigError, DataError
from core.evaluation import evaluate
from core.extractor import AttributeExtractor, TrainedExtractor, attribute_matches
from core.gallery import Gallery, Stump, gallery, sheet
from core.gallery._features import levels_and_features
from core.methods import METHODS, create_state
from core.predict import predict_split
from core.training import fit
from tests.core.methods.problems import config_of, striped, train
from tests.core.small import small_config, small_dataset


@pytest.fixture(scope="module")
def trained() -> tuple[TrainedExtractor, Dataset]:
    dataset = small_dataset()
    state = create_state(small_config(), in_channels=1, num_classes=4)
    for _ in fit(state, dataset):
        pass
    fidelity = evaluate(state.model, state.tree, dataset).fidelity
    assert fidelity is not None
    extractor = TrainedExtractor(
        config=state.config,
        model=state.model,
        tree=state.tree,
        classes=np.array(dataset.class_names),
        input_shape=dataset.image_shape,
        matches=attribute_matches(fidelity, dataset.attribute_names),
    )
    return extractor, dataset


@pytest.fixture(scope="module")
def shown(trained: tuple[TrainedExtractor, Dataset]) -> Gallery:
    return gallery(*trained)


@pytest.mark.parametrize("name", METHODS)
def test_features_are_what_each_method_quantizes(name: str) -> None:
    dataset = striped()
    state, _ = train(config_of(name), dataset)
    if state.model.num_levels is None:
        with pytest.raises(DataError, match="needs a network with levels"):
            levels_and_features(state.model, dataset.test)
        return
    levels_ND, features_ND = levels_and_features(state.model, dataset.test)
    assert np.array_equal(levels_ND, predict_split(state.model, dataset.test).levels_ND)
    for column in range(levels_ND.shape[1]):  # one range for all images: a larger level is larger
        order = np.argsort(features_ND[:, column], kind="stable")
        assert (np.diff(levels_ND[order, column].astype(int)) >= 0).all()


def test_pictures_are_the_images_with_their_levels(
    shown: Gallery, trained: tuple[TrainedExtractor, Dataset]
) -> None:
    _, dataset = trained
    stump = Stump(feature=2, lowest=1, highest=7)
    levels = shown.levels_ND[:, 2]
    found = (*shown.strongest(stump, 99), *reversed(shown.weakest(stump, 99)))
    assert sorted(picture.row for picture in found) == list(range(len(dataset.test)))
    for picture in found:
        assert np.array_equal(np.asarray(picture.image), dataset.test.images_NCHW[picture.row, 0])
        assert picture.class_name == dataset.class_names[dataset.test.labels_N[picture.row]]
        assert picture.level == levels[picture.row]
        assert picture.fires == (picture.level >= 1)
    assert [p.level for p in found] == sorted(levels.tolist(), reverse=True)


def test_an_attribute_that_is_missed(
    shown: Gallery, trained: tuple[TrainedExtractor, Dataset]
) -> None:
    extractor, dataset = trained
    for match in extractor.matches:
        found = shown.attribute(match.attribute, count=3)
        has_N = dataset.test.attributes_NA[:, dataset.attribute_names.index(match.attribute)]
        fires_N = match.holds(shown.levels_ND)
        assert found.num_fires == fires_N.sum()
        assert found.num_missed == (has_N & ~fires_N).sum()
        assert len(found.fires) == min(3, found.num_fires)
        assert len(found.missed) == min(3, found.num_missed)
        assert all(fires_N[picture.row] for picture in found.fires)
        assert all(has_N[picture.row] and not fires_N[picture.row] for picture in found.missed)


def test_discovered_attributes_come_with_every_class(
    shown: Gallery, trained: tuple[TrainedExtractor, Dataset]
) -> None:
    _, dataset = trained
    found = shown.tests(count=1)
    assert found
    assert len(shown.tests(1)) == 1
    for test in found:
        above_N = shown.levels_ND[:, test.test.feature] > test.test.threshold
        assert {of_class.class_name for of_class in test.classes} == set(dataset.class_names)
        shares = [of_class.share for of_class in test.classes]
        assert shares == sorted(shares, reverse=True)
        for of_class in test.classes:
            label = dataset.class_names.index(of_class.class_name)
            assert of_class.share == above_N[dataset.test.labels_N == label].mean()
            (picture,) = of_class.pictures
            assert picture.class_name == of_class.class_name
            assert picture.fires == (of_class.share >= 0.5)


def test_the_same_weights_give_the_same_pictures(
    shown: Gallery, trained: tuple[TrainedExtractor, Dataset]
) -> None:
    again = gallery(*trained)
    stump = Stump(feature=0, lowest=1, highest=1)
    assert [p.row for p in again.strongest(stump)] == [p.row for p in shown.strongest(stump)]
    assert [p.row for p in again.weakest(stump)] == [p.row for p in shown.weakest(stump)]


def test_an_estimator_in_colour_and_a_sheet() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((24, 3, 8, 8), dtype=np.float32)
    labels = np.arange(24) % 2
    images[labels == 1] *= 0.2
    extractor = AttributeExtractor(feature_dim=8, num_epochs=1, trunk_width=4).fit(images, labels)
    part = Split(images_NCHW=images, labels_N=labels, attributes_NA=np.zeros((24, 0), np.bool_))
    dataset = Dataset(
        name="colour",
        class_names=("dark", "light"),
        attribute_names=(),
        train=part,
        minival=part,
        test=part,
    )
    shown = gallery(extractor, dataset, split="train")
    stump = Stump(feature=0, lowest=0, highest=15)
    pictures = shown.strongest(stump, 2)
    assert pictures[0].image.mode == "RGB"
    expected = np.rint(255 * images[pictures[0].row].transpose(1, 2, 0)).astype(np.uint8)
    assert np.array_equal(np.asarray(pictures[0].image), expected)
    assert shown.weakest(stump) == ()
    figure = sheet(pictures, columns=2)
    assert [axes.get_title() for axes in figure.axes] == [p.class_name for p in pictures]
    assert isinstance(pictures[0].image, Image.Image)


def test_what_is_refused(shown: Gallery, trained: tuple[TrainedExtractor, Dataset]) -> None:
    extractor, dataset = trained
    with pytest.raises(ConfigError, match="must be one of 'train', 'minival', 'test'"):
        gallery(extractor, dataset, split="tests")
    with pytest.raises(ConfigError, match=r"No attribute 'xx' was matched"):
        shown.attribute("xx")
    with pytest.raises(ConfigError, match="got feature 12 and level 1"):
        shown.strongest(Stump(feature=12, lowest=1, highest=1))
    with pytest.raises(ConfigError, match="got feature 0 and level 8"):
        shown.strongest(Stump(feature=0, lowest=1, highest=8))
    without_tree = gallery(dataclasses.replace(extractor, tree=None), dataset)
    with pytest.raises(DataError, match="has no tree"):
        without_tree.tests()
    with pytest.raises(DataError, match="give the data that it was trained on"):
        gallery(dataclasses.replace(extractor, input_shape=(3, 8, 8)), dataset)
    fewer = dataclasses.replace(extractor, classes=extractor.classes[:3])
    with pytest.raises(DataError, match="knows 3 classes"):
        gallery(fewer, dataset)
