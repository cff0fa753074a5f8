"""The numbers that reports show of a trained model and tree: accuracies and fidelity."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from core.data import Dataset, Split
from core.fidelity import Fidelity, fidelity
from core.predict import SplitOutputs, accuracy, predict_over_workers
from core.recognizer import Recognizer
from core.tree import DecisionTree


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Numbers for reports, read from minival and test. What there is not is None."""

    minival_accuracy: float
    test_accuracy: float
    minival_tree_accuracy: float | None
    test_tree_accuracy: float | None
    """None for a method without a tree."""

    minival_quantized_accuracy: float | None
    test_quantized_accuracy: float | None
    """With the last layer fed levels instead of float features; None for a method that is quantized
    in training, whose last layer is fed levels anyway, and for one without levels."""

    zero_share: float | None
    """Share of test levels that are 0; None for a method without levels."""

    used_levels: float | None
    """Mean number of levels that a feature takes on test; None for a method without levels."""

    fidelity: Fidelity | None
    """d_D(F) on test, with each attribute's feature also chosen on minival (`heldout`); None for a
    method without levels, and for data without attributes."""

    def scalars(self) -> Mapping[str, float]:
        """All single numbers by name; those that do not exist are left out."""
        values: dict[str, float | None] = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name != "fidelity"
        }
        if self.fidelity is not None:
            values |= {
                "fidelity_score": self.fidelity.score,
                "fidelity_floor": self.fidelity.floor,
                "fidelity_heldout": self.fidelity.heldout,
            }
        return {name: value for name, value in values.items() if value is not None}


def evaluate(
    model: Recognizer,
    tree: DecisionTree | None,
    dataset: Dataset,
    *,
    minival: SplitOutputs | None = None,
) -> Evaluation:
    """Score a network and its tree on minival and test.

    Attributes are read here and nowhere in training, and nothing that this returns goes back into
    it.

    When `torch.distributed` is initialised, the workers share the images, so every worker must call
    this; all get the same.

    Parameters
    ----------
    model, tree
        The network, and T where the method has one.
    dataset
        `minival` and `test` are used.
    minival
        This network's outputs on minival, where they are at hand (`EpochResult.minival`).
    """
    if minival is None:
        minival = predict_over_workers(model, dataset.minival)
    test = predict_over_workers(model, dataset.test)
    levels_ND = test.levels_ND
    return Evaluation(
        minival_accuracy=accuracy(minival.probabilities_NK, dataset.minival.labels_N),
        minival_tree_accuracy=_tree_accuracy(tree, minival.levels_ND, dataset.minival),
        test_accuracy=accuracy(test.probabilities_NK, dataset.test.labels_N),
        test_tree_accuracy=_tree_accuracy(tree, levels_ND, dataset.test),
        minival_quantized_accuracy=_quantized_accuracy(minival, dataset.minival),
        test_quantized_accuracy=_quantized_accuracy(test, dataset.test),
        zero_share=None if levels_ND is None else float(np.mean(levels_ND == 0)),
        used_levels=None if levels_ND is None else _used_levels(levels_ND),
        fidelity=_fidelity(model, dataset, minival, test),
    )


def _tree_accuracy(
    tree: DecisionTree | None, levels_ND: npt.NDArray[np.uint8] | None, split: Split
) -> float | None:
    if tree is None or levels_ND is None:
        return None
    return accuracy(tree.predict(levels_ND), split.labels_N)


def _quantized_accuracy(outputs: SplitOutputs, split: Split) -> float | None:
    probabilities_NK = outputs.quantized_probabilities_NK
    return None if probabilities_NK is None else accuracy(probabilities_NK, split.labels_N)


def _used_levels(levels_ND: npt.NDArray[np.uint8]) -> float:
    sorted_ND = np.sort(levels_ND, axis=0)
    return float(np.mean(1 + np.count_nonzero(np.diff(sorted_ND, axis=0), axis=0)))


def _fidelity(
    model: Recognizer, dataset: Dataset, minival: SplitOutputs, test: SplitOutputs
) -> Fidelity | None:
    if (
        model.num_levels is None
        or test.levels_ND is None
        or minival.levels_ND is None
        or not dataset.attribute_names
    ):
        return None
    return fidelity(
        dataset.test.attributes_NA,
        test.levels_ND,
        num_levels=model.num_levels,
        selection=(dataset.minival.attributes_NA, minival.levels_ND),
    )
