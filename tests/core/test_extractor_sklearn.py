"""The extractor as a scikit-learn estimator on vectors."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from core.errors import ConfigError, DataError
from core.extractor import AttributeExtractor

Table = npt.NDArray[np.float64]


def quick(**changes: Any) -> AttributeExtractor:
    settings = {
        "feature_dim": 16,
        "hidden_dim": 16,
        "max_depth": 4,
        "num_epochs": 5,
        "batch_size": 32,
        "learning_rate": 0.1,
        **changes,
    }
    return AttributeExtractor(**settings)


@pytest.fixture(scope="module")
def iris() -> tuple[Table, npt.NDArray[np.int64]]:
    X, y = load_iris(return_X_y=True)
    return X, y


@parametrize_with_checks([quick()])  # type: ignore[untyped-decorator]
def test_scikit_learns_checks(
    estimator: BaseEstimator, check: Callable[[BaseEstimator], None]
) -> None:
    check(estimator)


def test_vectors_are_learnt_by_net_and_tree(iris: tuple[Table, npt.NDArray[np.int64]]) -> None:
    X, y = iris
    extractor = quick(num_epochs=15).fit(X[::2], y[::2])
    assert extractor.score(X[1::2], y[1::2]) > 0.85
    assert np.mean(extractor.tree_predict(X[1::2]) == y[1::2]) > 0.8
    assert len(extractor.minival_accuracies_) == 15


def test_the_scale_of_a_column_changes_nothing(iris: tuple[Table, npt.NDArray[np.int64]]) -> None:
    X, y = iris
    # Powers of two, so that the standardised values are equal bit for bit.
    factors, shifts = np.array([2.0**20, 2.0**-20, 1.0, 4.0]), np.zeros(4)
    first = quick(num_epochs=2).fit(X, y)
    second = quick(num_epochs=2).fit(X * factors + shifts, y)
    assert np.array_equal(first.transform(X), second.transform(X * factors + shifts))


def test_folder_of_a_vector_extractor_gives_the_same(
    iris: tuple[Table, npt.NDArray[np.int64]], tmp_path: Path
) -> None:
    X, y = iris
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    extractor = quick(other_settings={"trunk_norm": "group"}).fit(frame, names)
    extractor.save(tmp_path / "model")
    loaded = AttributeExtractor.load(tmp_path / "model")
    for method in ("transform", "predict", "predict_proba", "tree_predict", "explain"):
        of_both = [getattr(one, method)(frame) for one in (extractor, loaded)]
        assert np.array_equal(*of_both), method
    assert loaded.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert loaded.n_features_in_ == 4
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(frame[["b", "a", "c", "d"]])
    wanted = {**extractor.get_params(), "trunk": "mlp"}
    assert loaded.get_params() == wanted
    again = clone(loaded).fit(frame, names)
    assert np.array_equal(again.transform(frame), loaded.transform(frame)), "same seed and settings"


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, -1, 7]),
        np.array([True, False, True]),
        np.array(["b", "a", "ü"]),
        np.array(["b", "a", "c"], dtype=object),
        np.array([1.0, 2.0, 5.0]),
    ],
    ids=["int", "bool", "str", "object", "float"],
)
def test_classes_keep_their_type_on_disk(
    labels: npt.NDArray[Any], iris: tuple[Table, npt.NDArray[np.int64]], tmp_path: Path
) -> None:
    X, y = iris
    extractor = quick(num_epochs=1).fit(X, labels[y])
    extractor.save(tmp_path / "model")
    loaded = AttributeExtractor.load(tmp_path / "model")
    assert loaded.classes_.dtype == extractor.classes_.dtype
    assert loaded.classes_.tolist() == sorted(set(labels.tolist()))


def test_classes_that_json_does_not_know_are_refused(
    iris: tuple[Table, npt.NDArray[np.int64]], tmp_path: Path
) -> None:
    X, y = iris
    labels = np.array([(0,), (1,), (2,), None], dtype=object)[y]
    extractor = quick(num_epochs=1).fit(X, y)
    trained = dataclasses.replace(extractor.trained_, classes=np.unique(labels))
    with pytest.raises(DataError, match="strings, numbers or booleans to be saved, but are tuple"):
        trained.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == [], "no part is left"


def test_in_a_pipeline_and_a_search(iris: tuple[Table, npt.NDArray[np.int64]]) -> None:
    X, y = iris
    pipeline = make_pipeline(quick(), LogisticRegression(max_iter=5000))
    search = GridSearchCV(
        pipeline, {"attributeextractor__num_bits": np.array([1, 4])}, cv=2, error_score="raise"
    )
    search.fit(X, y)
    assert search.best_score_ > 0.8


def test_set_output_names_the_features(iris: tuple[Table, npt.NDArray[np.int64]]) -> None:
    X, y = iris
    frame = quick(num_epochs=1).set_output(transform="pandas").fit(X, y).transform(X)
    assert frame.columns.tolist() == [f"feature_{index}" for index in range(16)]
    assert set(frame.dtypes) == {np.dtype(np.uint8)}


def test_random_state_may_be_a_generator_or_none(
    iris: tuple[Table, npt.NDArray[np.int64]],
) -> None:
    X, y = iris
    drawn = [
        quick(num_epochs=1, random_state=state).fit(X, y).trained_.config.seed
        for state in (np.random.RandomState(5), np.random.RandomState(5), None, 7)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[3] == 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_probability": 1.5}, r"`mask_probability` must lie in \[0, 1\], but got 1.5"),
        ({"validation_fraction": 0.0}, r"`validation_fraction` must lie in \(0, 1\), but got 0.0"),
        ({"other_settings": {"hiden": 1}}, "'hiden' is no field of TrainConfig"),
        ({"other_settings": {"seed": 1}}, "`other_settings` must leave out .* holds 'seed'"),
        ({"trunk": "conv"}, "`trunk` must be 'mlp' for vectors, but got 'conv'"),
        ({"batch_size": 1}, "leaves a batch of one of .* BatchNorm"),
    ],
)
def test_settings_are_refused(
    settings: dict[str, Any], message: str, iris: tuple[Table, npt.NDArray[np.int64]]
) -> None:
    with pytest.raises(ConfigError, match=message):
        quick(**settings).fit(*iris)


def test_data_are_refused(iris: tuple[Table, npt.NDArray[np.int64]]) -> None:
    X, y = iris
    with pytest.raises(ValueError, match="at least 2 classes, but y has one class"):
        quick().fit(X, np.zeros(len(X)))
    with pytest.raises(DataError, match="each of the 3 samples has a class of its own"):
        quick().fit(X[:3], np.arange(3))
    extractor = quick(num_epochs=1).fit(X, y)
    with pytest.raises(DataError, match="Row 1, feature 2 is 1e\\+300, too many standard"):
        extractor.predict(np.array([X[0], [5.0, 3.0, 1e300, 1.0]]))
    with pytest.raises(NotFittedError):
        quick().save("nowhere")


def test_a_class_of_one_sample_is_trained_on(iris: tuple[Table, npt.NDArray[np.int64]]) -> None:
    X, y = iris
    labels = np.append(y, 3)
    rows = np.vstack([X, [[20.0, 20.0, 20.0, 20.0]]])
    extractor = quick(num_epochs=1).fit(rows, labels)
    assert extractor.classes_.tolist() == [0, 1, 2, 3]
    # Five of each fifty are minival.
    assert extractor.tree_.num_samples[0] == 3 * 45 + 1
