"""The fitted tree: flat arrays of nodes and what can be asked of them.

Shape letters: N samples, D features, M nodes, K classes, L leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.tree._samples import as_levels
from core.tree.compiled import find_leaves

_ARRAYS = ("feature", "threshold", "left", "right", "value", "num_samples")
_SCALARS = ("num_levels", "num_features")
_STRUCTURE = ("feature", "threshold", "left", "right")


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionTree:
    """T of section 5: axis-aligned tests on levels, a mean label vector at each leaf.

    Nodes are numbered breadth-first: the root is 0, and the children of the nodes, taken in
    order, are 1, 2, 3, ... A leaf is a node that is its own left and right child; its `feature`
    and `threshold` are 0 and mean nothing.

    The arrays are read-only.

    Examples
    --------
    >>> from core.tree import fit_tree
    >>> tree = fit_tree(np.array([[0], [3]]), np.eye(2), num_levels=4, max_depth=1)
    >>> tree.predict(np.array([[1]]))
    array([[0., 1.]])
    """

    feature: npt.NDArray[np.int32]
    """(M,) The feature that a node tests."""
    threshold: npt.NDArray[np.int32]
    """(M,) A sample goes left when its level is at most this."""
    left: npt.NDArray[np.int32]
    """(M,) Left child, or the node itself."""
    right: npt.NDArray[np.int32]
    """(M,) Right child, or the node itself."""
    value: npt.NDArray[np.float64]
    """(M, K) Mean label vector of the samples that reached the node in training."""
    num_samples: npt.NDArray[np.int64]
    """(M,) Their number."""
    num_levels: int
    """Levels run from 0 to this minus 1."""
    num_features: int
    """Width of the tables it was grown on and predicts for."""

    def __post_init__(self) -> None:
        self._check()
        for name in _ARRAYS:
            getattr(self, name).setflags(write=False)

    @property
    def num_nodes(self) -> int:
        return len(self.feature)

    @property
    def num_classes(self) -> int:
        return int(self.value.shape[1])

    @cached_property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        """(M,) Whether a node is a leaf."""
        return np.equal(self.left, np.arange(self.num_nodes))

    @property
    def num_leaves(self) -> int:
        return int(self.is_leaf.sum())

    @cached_property
    def depths(self) -> npt.NDArray[np.int64]:
        """(M,) Number of tests from the root to each node."""
        depths = np.zeros(self.num_nodes, dtype=np.int64)
        nodes, depth = np.zeros(1, dtype=np.int64), 0
        while len(inner := nodes[~self.is_leaf[nodes]]):
            nodes, depth = np.concatenate([self.left[inner], self.right[inner]]), depth + 1
            depths[nodes] = depth
        return depths

    @property
    def depth(self) -> int:
        """Largest number of tests from the root to a leaf."""
        return int(self.depths[-1])

    @cached_property
    def parents(self) -> npt.NDArray[np.int64]:
        """(M,) The node above each; the root is its own."""
        parents = np.zeros(self.num_nodes, dtype=np.int64)
        inner = np.flatnonzero(~self.is_leaf)
        parents[self.left[inner]] = inner
        parents[self.right[inner]] = inner
        return parents

    @property
    def used_features(self) -> npt.NDArray[np.int32]:
        """Features that some node tests, each once, in ascending order."""
        return np.unique(self.feature[~self.is_leaf])

    def apply(self, levels_ND: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """(N,) The leaf that each sample reaches.

        Raises
        ------
        DataError
            If levels are no integers, out of range, or of another width than in training.
        """
        levels = as_levels(levels_ND, num_levels=self.num_levels)
        if levels.shape[1] != self.num_features:
            raise DataError(
                f"The tree was grown on {self.num_features} features, but `levels_ND` has "
                f"{levels.shape[1]} columns: give the features it was grown on, in that order."
            )
        leaf_N = np.empty(len(levels), dtype=np.int64)
        find_leaves(levels, self.feature, self.threshold, self.left, self.right, leaf_N)
        return leaf_N

    def predict(self, levels_ND: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(N, K) Mean label vector of the leaf that each sample reaches; see `apply`."""
        return self.value[self.apply(levels_ND)]

    def same_structure(self, other: "DecisionTree") -> bool:
        """Whether both make the same tests; values may differ."""
        scalars = all(getattr(self, name) == getattr(other, name) for name in _SCALARS)
        return scalars and self._equal_arrays(other, _STRUCTURE)

    def __eq__(self, other: object) -> bool:
        """Whether all arrays are equal, bit for bit."""
        if not isinstance(other, DecisionTree):
            return NotImplemented
        return self.same_structure(other) and self._equal_arrays(other, _ARRAYS)

    __hash__ = None  # type: ignore[assignment]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All that the tree consists of, as arrays; the scalars have no axis."""
        scalars = {name: np.array(getattr(self, name)) for name in _SCALARS}
        return {**{name: getattr(self, name) for name in _ARRAYS}, **scalars}

    def to_dict(self) -> dict[str, Any]:
        """Lists and integers, fit for JSON. `from_dict` gives an equal tree."""
        arrays = {name: getattr(self, name).tolist() for name in _ARRAYS}
        return {**arrays, **{name: getattr(self, name) for name in _SCALARS}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DecisionTree":
        """The tree that `to_dict` or `to_arrays` described.

        Raises
        ------
        DataError
            If an entry is missing or the arrays are no tree.
        """
        expected = {*_ARRAYS, *_SCALARS}
        if set(values) != expected:
            raise DataError(
                f"A tree is stored as {sorted(expected)}, but got {sorted(values)}: pass what "
                "`to_dict` gave."
            )
        return cls(
            feature=np.array(values["feature"], dtype=np.int32),
            threshold=np.array(values["threshold"], dtype=np.int32),
            left=np.array(values["left"], dtype=np.int32),
            right=np.array(values["right"], dtype=np.int32),
            value=np.array(values["value"], dtype=np.float64),
            num_samples=np.array(values["num_samples"], dtype=np.int64),
            num_levels=int(values["num_levels"]),
            num_features=int(values["num_features"]),
        )

    def _equal_arrays(self, other: "DecisionTree", names: Sequence[str]) -> bool:
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    def _check(self) -> None:
        num_nodes = len(self.feature)
        lengths = {name: len(getattr(self, name)) for name in _ARRAYS}
        if set(lengths.values()) != {num_nodes} or not num_nodes or self.value.ndim != 2:
            raise DataError(
                "A tree's arrays must have one row per node, at least one, and `value` one column "
                f"per class, but they have {lengths} rows and `value` has shape "
                f"{self.value.shape}."
            )
        inner = (self.left != np.arange(num_nodes)) | (self.right != np.arange(num_nodes))
        children = np.stack([self.left[inner], self.right[inner]], axis=1).ravel()
        parents = np.repeat(np.flatnonzero(inner), 2)
        numbered = np.array_equal(children, np.arange(1, num_nodes)) and (children > parents).all()
        if not numbered:
            raise DataError(
                "Nodes must be numbered breadth-first with leaves that point to themselves, but "
                f"`left` is {self.left.tolist()} and `right` is {self.right.tolist()}."
            )
        for name, end in (("feature", self.num_features), ("threshold", self.num_levels)):
            column = getattr(self, name)
            if column.min() < 0 or column.max() >= end:
                raise DataError(
                    f"Each `{name}` of a tree must lie in [0, {end}), but they reach from "
                    f"{column.min()} to {column.max()}."
                )
