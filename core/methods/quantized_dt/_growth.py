"""When a leaf splits (Domingos & Hulten, 2000).

Shape letters: B samples, N features, V levels, K classes, M nodes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.config.options import QuantizedDTOptions
from core.methods.quantized_dt._counts import add_counts, best_split, hoeffding_bound
from core.methods.quantized_dt._stamps import Counts, StampTree


class Growth:
    """Counts of the leaves, and the rule by which they split a `StampTree`.

    A sample counts at the leaf that it reaches when all tests are sharp. At most so many leaves
    count levels at a time, those with the most errors; one that comes back begins with none. All
    leaves count classes. A new leaf begins with the classes that its parent's split gives it, and
    with no levels.

    Parameters
    ----------
    options
        Of growth.
    num_features, num_levels, num_classes
        N, V and K.
    """

    def __init__(
        self, options: QuantizedDTOptions, *, num_features: int, num_levels: int, num_classes: int
    ) -> None:
        self._options = options
        self._shape = (num_features, num_levels, num_classes)
        room = 2 * options.max_leaves - 1
        self._classes_MK: Counts = np.zeros((room, num_classes))
        self._tried_M: Counts = np.zeros(room)
        """Samples in a leaf's counts when it last tried to split."""
        self._counts: dict[int, Tensor] = {0: self._empty()}

    def update(self, tree: StampTree, levels_BN: Tensor, labels_B: Tensor) -> None:
        """Count a global batch, and split the leaves that have seen enough.

        Parameters
        ----------
        tree
            Grows in place.
        levels_BN
            uint8, on the CPU, of all workers.
        labels_B
            int64, on the CPU.
        """
        leaf_B = tree.route(levels_BN.numpy())
        np.add.at(self._classes_MK, (leaf_B, labels_B.numpy()), 1)
        reached = np.unique(leaf_B).tolist()
        for leaf in reached:
            if leaf in self._counts:
                rows = torch.from_numpy(np.flatnonzero(leaf_B == leaf))
                add_counts(self._counts[leaf], levels_BN[rows], labels_B[rows])
        has_grown = False
        for leaf in reached:
            if leaf in self._counts and self._try_split(tree, leaf):
                has_grown = True
        if has_grown:
            self._choose_active(tree)

    def decay(self) -> None:
        """Let older samples count less."""
        if self._options.count_decay < 1:
            for counts_NVK in self._counts.values():
                counts_NVK.mul_(self._options.count_decay)
            self._classes_MK *= self._options.count_decay
            self._tried_M *= self._options.count_decay

    def state_dict(self) -> dict[str, Any]:
        """All counts, as copies."""
        return {
            "active": list(self._counts),
            "counts": [counts_NVK.clone() for counts_NVK in self._counts.values()],
            "classes": torch.from_numpy(self._classes_MK.copy()),
            "tried": torch.from_numpy(self._tried_M.copy()),
        }

    def load_state_dict(self, values: Mapping[str, Any]) -> None:
        """Take over `state_dict()`'s form."""
        copies = [counts_NVK.clone() for counts_NVK in values["counts"]]
        self._counts = dict(zip(values["active"], copies, strict=True))
        self._classes_MK = values["classes"].numpy().copy()
        self._tried_M = values["tried"].numpy().copy()

    def _try_split(self, tree: StampTree, leaf: int) -> bool:
        options, counts_NVK = self._options, self._counts[leaf].numpy()
        classes_K = counts_NVK[0].sum(0)
        num_samples = float(classes_K.sum())
        if num_samples - self._tried_M[leaf] < options.min_samples:
            return False
        self._tried_M[leaf] = num_samples
        is_pure = np.count_nonzero(classes_K) < 2
        if is_pure or tree.depth(leaf) >= options.max_depth or tree.num_leaves >= tree.max_leaves:
            return False
        best = best_split(counts_NVK)
        bound = hoeffding_bound(num_samples, num_classes=self._shape[2], delta=options.delta)
        is_ahead = best.gain - best.next_gain > bound or bound < options.tau
        if best.gain <= 0 or not is_ahead:
            return False
        of_feature_VK = counts_NVK[best.feature].astype(np.float64)
        left_K = of_feature_VK[: best.threshold + 1].sum(0)
        right_K = of_feature_VK[best.threshold + 1 :].sum(0)
        left = tree.split(
            leaf, feature=best.feature, threshold=best.threshold, left_K=left_K, right_K=right_K
        )
        self._classes_MK[left], self._classes_MK[left + 1] = left_K, right_K
        del self._counts[leaf]
        return True

    def _choose_active(self, tree: StampTree) -> None:
        leaves = tree.leaves()
        errors = self._classes_MK[leaves].sum(1) - self._classes_MK[leaves].max(1)
        order = np.argsort(-errors, kind="stable")[: self._options.max_active_leaves]
        active = sorted(leaves[index] for index in order)
        kept, self._counts = self._counts, {}
        for leaf in active:
            if leaf in kept:
                self._counts[leaf] = kept[leaf]
            else:
                self._counts[leaf], self._tried_M[leaf] = self._empty(), 0

    def _empty(self) -> Tensor:
        return torch.zeros(self._shape)
