"""The scikit-learn estimator around a trained F, q, G and T.

Shape letters: N samples, D features of F, L levels, K classes, A attributes, M input features.
"""

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from core.config import TrainConfig
from core.errors import ConfigError, DataError
from core.extractor._inputs import Images, VectorScaling, as_images
from core.extractor._matches import attribute_matches, binarize, matched
from core.extractor._reasons import explain_levels, explain_prototypes
from core.extractor._trained import TrainedExtractor
from core.extractor._training import as_split, train
from core.fidelity import fidelity
from core.predict import predict_split
from core.recognizer import Recognizer
from core.tree import DecisionTree

_CONFIG_PARAMS = (
    "feature_dim",
    "num_bits",
    "hidden_dim",
    "label_weight",
    "tree_weight",
    "sparsity_weight",
    "mask_probability",
    "sparsity_norm",
    "max_depth",
    "trunk",
    "trunk_width",
    "trunk_learning_rate_scale",
    "num_epochs",
    "batch_size",
    "learning_rate",
    "drops_to_stop",
)
_OWN_FIELDS = ("dataset", "seed", "split_seed")
"""Fields of the config that are not for `other_settings`: data and `random_state` set them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Extraction:
    """All that is said of a batch of samples, from one pass through the network."""

    levels_ND: npt.NDArray[np.uint8]
    """q(F(x))."""

    probabilities_NK: npt.NDArray[np.float64]
    """The network's class probabilities."""

    tree_probabilities_NK: npt.NDArray[np.float64] | None
    """The tree's; None for a method without a tree of tests on levels."""

    reasons: list[str] | None
    """The tree's reason in words, or that of prototypes; None without either."""


class AttributeExtractor(ClassifierMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Discrete features that match semantic attributes, with a network and a tree on top.

    Trained by Alg. 1, or loaded from what a trial left behind. As a transformer it gives the levels
    q(F(x)), as a classifier the network's prediction; the tree's is beside it, with its reason.

    Weights and r are the paper's by default (section 6). Sizes and steps are smaller than there and
    suit some hundreds to some thousands of samples.

    Parameters
    ----------
    feature_dim
        n, the number of features.
    num_bits
        r: 2^r levels a feature, r from 1 to 8.
    hidden_dim
        Width of G's hidden layer.
    label_weight, tree_weight, sparsity_weight
        lambda_1, lambda_2 and lambda_3 of Eqs. 6 and 7.
    mask_probability
        p, share of the features that Eq. 7 penalises at a step.
    sparsity_norm
        "l1", or "l2" for the squared Euclidean norm.
    max_depth
        d_max of the tree.
    trunk
        "mlp" (vectors), "conv" or the name of a timm model (images), or "auto": "mlp" or "conv",
        by the dimensions of X.
    trunk_width
        Hidden units of "mlp", or channels of the first stage of "conv".
    trunk_learning_rate_scale
        The trunk's step size as a multiple of `learning_rate`.
    num_epochs, batch_size, learning_rate
        Of SGD.
    drops_to_stop
        End at this many drops of minival accuracy; None trains every epoch.
    validation_fraction
        Share of the samples of each class that is held out as minival. A class with a single sample
        keeps it for training.
    other_settings
        Any other fields of `core.config.TrainConfig`, by name.
    random_state
        Seed of the weights, the batches, the masks and minival: an integer, a RandomState, or None
        to draw one.
    device
        Where to run, as torch names it.

    Attributes
    ----------
    classes_ : numpy.ndarray
        Labels, ascending; of a loaded trial the class names, in the dataset's order.
    n_features_in_, feature_names_in_
        Of vectors; images have neither.
    trained_ : TrainedExtractor
        Config, model, tree, classes, input shape, matched attributes.
    minival_accuracies_ : list of float
        By epoch. A loaded extractor has none.

    Notes
    -----
    Source: Alg. 1 and section 5.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> extractor = AttributeExtractor(feature_dim=16, num_epochs=10).fit(X, y)
    >>> extractor.transform(X).shape
    (150, 16)
    """

    trained_: TrainedExtractor
    classes_: npt.NDArray[Any]

    def __init__(
        self,
        *,
        feature_dim: int = 64,
        num_bits: int = 4,
        hidden_dim: int = 64,
        label_weight: float = 2.0,
        tree_weight: float = 1.0,
        sparsity_weight: float = 0.001,
        mask_probability: float = 0.5,
        sparsity_norm: str = "l1",
        max_depth: int = 8,
        trunk: str = "auto",
        trunk_width: int = 32,
        trunk_learning_rate_scale: float = 1.0,
        num_epochs: int = 30,
        batch_size: int = 32,
        learning_rate: float = 0.02,
        drops_to_stop: int | None = None,
        validation_fraction: float = 0.1,
        other_settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "cpu",
    ) -> None:
        self.feature_dim = feature_dim
        self.num_bits = num_bits
        self.hidden_dim = hidden_dim
        self.label_weight = label_weight
        self.tree_weight = tree_weight
        self.sparsity_weight = sparsity_weight
        self.mask_probability = mask_probability
        self.sparsity_norm = sparsity_norm
        self.max_depth = max_depth
        self.trunk = trunk
        self.trunk_width = trunk_width
        self.trunk_learning_rate_scale = trunk_learning_rate_scale
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.drops_to_stop = drops_to_stop
        self.validation_fraction = validation_fraction
        self.other_settings = other_settings
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any) -> "AttributeExtractor":
        """Train F, G and T by Alg. 1.

        Parameters
        ----------
        X
            Images (N, channels, height, width), uint8 or floats in [0, 1]; or vectors (N, M) of
            real features, which are standardised first.
        y
            (N,) labels of at least two classes.

        Raises
        ------
        ValueError
            If X or y is malformed or a parameter is not legal (ConfigError, DataError).
        """
        is_images = getattr(X, "ndim", 0) == 4
        config = self._config(is_images=is_images)
        scaling = None
        if is_images:
            X = as_images(X)
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
            names = getattr(self, "feature_names_in_", None)
            scaling = VectorScaling.of(X, None if names is None else tuple(names))
            X = scaling.apply(X)
        check_classification_targets(y)
        classes, labels_N = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"AttributeExtractor needs samples of at least 2 classes, but y has one class, "
                f"{classes[0]!r}."
            )
        model, tree, minival_accuracies = train(
            config,
            X,
            labels_N.astype(np.int64),
            class_names=tuple(map(str, classes)),
            validation_fraction=self.validation_fraction,
            device=self.device,
        )
        self._take(
            TrainedExtractor(
                config=config,
                model=model.eval(),
                tree=tree,
                classes=classes,
                input_shape=X.shape[1:],
                scaling=scaling,
            )
        )
        self.minival_accuracies_ = minival_accuracies
        return self

    @classmethod
    def load(cls, path: Path | str, *, device: str = "cpu") -> "AttributeExtractor":
        """Read a folder that `save` or a finished trial wrote (JSON and safetensors, no pickle).

        Raises
        ------
        DataError
            If the folder or a file is missing, is of another version, or if the parts do not fit
            together.
        """
        trained = TrainedExtractor.load(path, device=device)
        config, defaults = trained.config, TrainConfig().to_dict()
        other = {
            name: value
            for name, value in config.to_dict().items()
            if name not in (*_CONFIG_PARAMS, *_OWN_FIELDS) and value != defaults.get(name)
        }
        extractor = cls(
            **{name: getattr(config, name) for name in _CONFIG_PARAMS},
            other_settings=other or None,
            random_state=config.seed,
            device=device,
        )
        extractor._take(trained)
        return extractor

    def save(self, path: Path | str) -> None:
        """Write a new folder that `load` reads, in one step.

        Raises
        ------
        DataError
            If there is something at the path already.
        """
        check_is_fitted(self)
        self.trained_.save(path)

    @property
    def model_(self) -> Recognizer:
        """F, q and G, or the network of another method."""
        return self.trained_.model

    @property
    def tree_(self) -> DecisionTree:
        """T.

        Raises
        ------
        DataError
            If the network was trained by a method without a tree.
        """
        tree = self.trained_.tree
        if tree is None:
            raise DataError(
                f"The method {self.trained_.config.method!r} leaves no tree of tests on levels, so "
                "there are no predictions of one: use `predict`, or load a run of 'intersection'."
            )
        return tree

    @property
    def has_reasons(self) -> bool:
        """Whether `explain` can say why: by a tree, or by prototypes."""
        check_is_fitted(self)
        return self.trained_.tree is not None or self.model_.prototype_weights() is not None

    def extract(self, X: Any) -> Extraction:
        """Everything about some samples, with one pass through the network."""
        levels_ND, probabilities_NK = self._outputs(X)
        tree = self.trained_.tree
        return Extraction(
            levels_ND=levels_ND,
            probabilities_NK=probabilities_NK,
            tree_probabilities_NK=None if tree is None else tree.predict(levels_ND),
            reasons=self._reasons(levels_ND, probabilities_NK) if self.has_reasons else None,
        )

    def transform(self, X: Any) -> npt.NDArray[np.uint8]:
        """Levels q(F(x)), shape (N, D): whole numbers from 0 to 2^r - 1."""
        return self._outputs(X)[0]

    def attributes(self, X: Any) -> npt.NDArray[np.bool_]:
        """Binary attributes b(v) = (u1 || u2) of section 5, shape (N, 2 * D * L).

        Column ``i * L + j`` is 1[v_i = j], column ``D * L + i * L + j`` is 1[v_i != j].
        """
        levels_ND = self._outputs(X)[0]
        return binarize(levels_ND, num_levels=self.trained_.config.num_levels)

    def matched_attributes(self, X: Any) -> npt.NDArray[np.bool_]:
        """(N, A) The entry of b(v) that matches each of `matched_attribute_names()`."""
        return matched(self._outputs(X)[0], self.trained_.matches)[1]

    def matched_attribute_names(self) -> list[str]:
        """Attributes with an entry of b(v) that says more of them than a constant does."""
        check_is_fitted(self)
        return [match.attribute for match in self.trained_.matches if match.is_informative]

    def match_attributes(
        self, X: Any, attributes_NA: npt.ArrayLike, attribute_names: Sequence[str]
    ) -> "AttributeExtractor":
        """Find for each attribute the entry of b(v) that recovers it best (Eq. 3), and keep it.

        Training never sees attributes; after this, reasons are worded with them.

        Parameters
        ----------
        X
            Samples that were not trained on.
        attributes_NA
            (N, A) bool, or 0 and 1.
        attribute_names
            A names.
        """
        levels_ND = self._outputs(X)[0]
        measured = fidelity(
            np.asarray(attributes_NA), levels_ND, num_levels=self.trained_.config.num_levels
        )
        matches = attribute_matches(measured, attribute_names)
        self.trained_ = replace(self.trained_, matches=matches)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """(N,) The network's most probable class."""
        return self._names(self.predict_proba(X))

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """(N, K) The network's probabilities of `classes_`."""
        return self._outputs(X)[1]

    def tree_predict(self, X: Any) -> npt.NDArray[Any]:
        """(N,) The tree's most probable class; the first one in a tie."""
        return self._names(self.tree_predict_proba(X))

    def tree_predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """(N, K) The mean label vector of the leaf that each sample reaches."""
        levels_ND = self._outputs(X)[0]
        return self.tree_.predict(levels_ND)

    def explain(self, X: Any) -> list[str]:
        """The reason in words for each sample: the tree's, or that of prototypes.

        Such as "has_bill_shape::hooked (feature 12 is at least 5) and feature 3 is 0". Features are
        named by the attributes that they match, where these were measured and the range of levels
        decides them. Where there is no tree and features are prototypes, the three that speak most
        for the predicted class are named, with their levels.

        Raises
        ------
        DataError
            If the network was trained by a method with neither.
        """
        levels_ND, probabilities_NK = self._outputs(X)
        return self._reasons(levels_ND, probabilities_NK)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of the columns of `transform`: "feature_0", ..."""
        check_is_fitted(self)
        names = [f"feature_{index}" for index in range(self.trained_.num_features)]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # levels are uint8 whatever X is
        return tags

    def _config(self, *, is_images: bool) -> TrainConfig:
        fields = {name: _plain(getattr(self, name)) for name in _CONFIG_PARAMS}
        if self.trunk == "auto":
            fields["trunk"] = "conv" if is_images else "mlp"
        if is_images == (fields["trunk"] == "mlp"):
            rule = "not be 'mlp' for images" if is_images else "be 'mlp' for vectors"
            raise ConfigError(f"`trunk` must {rule}, but got {self.trunk!r}: choose 'auto'.")
        other = dict(self.other_settings or {})
        taken = sorted({*_CONFIG_PARAMS, *_OWN_FIELDS} & set(other))
        if taken:
            raise ConfigError(
                f"`other_settings` must leave out what has a parameter of its own or comes with "
                f"the data, but holds {taken[0]!r}."
            )
        seed = self._seed()
        own = {"dataset": "arrays", "seed": seed, "split_seed": seed}
        return TrainConfig().replace({**other, **fields, **own})

    def _seed(self) -> int:
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _take(self, trained: TrainedExtractor) -> None:
        self.trained_ = trained
        self.classes_ = trained.classes
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                delattr(self, name)
        if trained.scaling is not None:
            self.n_features_in_ = len(trained.scaling.mean_M)
            if trained.scaling.names is not None:
                self.feature_names_in_ = np.array(trained.scaling.names, dtype=object)

    def _reasons(
        self, levels_ND: npt.NDArray[np.uint8], probabilities_NK: npt.NDArray[np.float64]
    ) -> list[str]:
        tree, matches = self.trained_.tree, self.trained_.matches
        if tree is not None:
            return explain_levels(tree, levels_ND, matches)
        weights_KD = self.model_.prototype_weights()
        if weights_KD is None:
            raise DataError(
                f"The method {self.trained_.config.method!r} leaves neither a tree of tests on "
                "levels nor prototypes that are its features, so there are no reasons: use "
                "`predict` and `matched_attributes`, or load a run of 'intersection', 'protopnet' "
                "or 'pipnet'."
            )
        return explain_prototypes(
            weights_KD.cpu().numpy(),
            levels_ND,
            probabilities_NK.argmax(axis=1),
            matches,
            num_levels=self.trained_.config.num_levels,
        )

    def _names(self, probabilities_NK: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        names_N: npt.NDArray[Any] = self.classes_[probabilities_NK.argmax(axis=1)]
        return names_N

    def _outputs(self, X: Any) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        """Levels and the network's probabilities."""
        images_NCHW = self._as_samples(X)
        outputs = predict_split(self.model_, as_split(images_NCHW))
        probabilities_NK = outputs.probabilities_NK.astype(np.float64)
        # float32's rows sum to 1 within its own precision only.
        probabilities_NK /= probabilities_NK.sum(axis=1, keepdims=True)
        if outputs.levels_ND is None:
            raise TypeError("The network must have levels.")
        return outputs.levels_ND, probabilities_NK

    def _as_samples(self, X: Any) -> Images:
        check_is_fitted(self)
        trained = self.trained_
        if trained.scaling is None:
            return as_images(X, trained.input_shape)
        vectors_NM = validate_data(self, X, reset=False, dtype=np.float64)
        return trained.scaling.apply(vectors_NM)


def _plain(value: Any) -> Any:
    """A numpy scalar as Python's own: grids are often made with numpy."""
    return value.item() if isinstance(value, np.generic) else value
