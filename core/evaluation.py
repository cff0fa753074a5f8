"""The numbers that reports show of a trained model and tree: accuracies and fidelity."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.data import Dataset
from core.fidelity import Fidelity, fidelity
from core.model import IntersectionModel
from core.predict import SplitOutputs, accuracy, predict_over_workers
from core.tree import DecisionTree


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Numbers for reports, read from minival and test."""

    minival_accuracy: float
    minival_tree_accuracy: float
    test_accuracy: float
    test_tree_accuracy: float
    zero_share: float
    """Share of test levels that are 0."""

    fidelity: Fidelity
    """d_D(F) on test, with each attribute's feature also chosen on minival (`heldout`)."""

    def scalars(self) -> Mapping[str, float]:
        """All single numbers by name; `heldout` is left out where it does not exist."""
        values = {
            "minival_accuracy": self.minival_accuracy,
            "minival_tree_accuracy": self.minival_tree_accuracy,
            "test_accuracy": self.test_accuracy,
            "test_tree_accuracy": self.test_tree_accuracy,
            "zero_share": self.zero_share,
            "fidelity_score": self.fidelity.score,
            "fidelity_floor": self.fidelity.floor,
        }
        if self.fidelity.heldout is not None:
            values["fidelity_heldout"] = self.fidelity.heldout
        return values


def evaluate(
    model: IntersectionModel,
    tree: DecisionTree,
    dataset: Dataset,
    *,
    minival: SplitOutputs | None = None,
) -> Evaluation:
    """Score a network and its tree on minival and test.

    The only place outside `core.fidelity` that touches attributes. Nothing that it returns goes
    back into training.

    When `torch.distributed` is initialised, the workers share the images, so every worker must call
    this; all get the same.

    Parameters
    ----------
    model, tree
        F with q and G, and T.
    dataset
        `minival` and `test` are used.
    minival
        This network's outputs on minival, where they are at hand (`EpochResult.minival`).
    """
    if minival is None:
        minival = predict_over_workers(model, dataset.minival)
    test = predict_over_workers(model, dataset.test)
    return Evaluation(
        minival_accuracy=accuracy(minival.probabilities_NK, dataset.minival.labels_N),
        minival_tree_accuracy=accuracy(tree.predict(minival.levels_ND), dataset.minival.labels_N),
        test_accuracy=accuracy(test.probabilities_NK, dataset.test.labels_N),
        test_tree_accuracy=accuracy(tree.predict(test.levels_ND), dataset.test.labels_N),
        zero_share=float(np.mean(test.levels_ND == 0)),
        fidelity=fidelity(
            dataset.test.attributes_NA,
            test.levels_ND,
            num_levels=model.quantizer.num_levels,
            selection=(dataset.minival.attributes_NA, minival.levels_ND),
        ),
    )
