"""Stratified cuts of a dataset into train, minival and test.

Shape letters: N samples, C channels, H height, W width, A attributes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.data.types import Dataset, Split
from core.errors import ConfigError, DataError

Indices = npt.NDArray[np.int64]

_TEST_SEED = 20230
"""The test split is drawn once for all: no `split_seed` moves it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitIndices:
    """Rows of each split, ascending."""

    train: Indices
    minival: Indices
    test: Indices


def stratified_holdout(
    labels_N: npt.NDArray[np.int64], share: float, *, seed: int
) -> tuple[Indices, Indices]:
    """Hold out the same share of every class.

    Parameters
    ----------
    labels_N
        Class of each sample.
    share
        Share to hold out, in (0, 1). Of a class with n samples, round(share * n) are held out, but
        at least one is held out and at least one is kept.
    seed
        Seed of the choice. A class's choice does not depend on other classes.

    Returns
    -------
    tuple[Indices, Indices]
        Ascending rows that are kept, and that are held out.

    Raises
    ------
    ConfigError
        If `share` is outside (0, 1) or `seed` is negative.
    DataError
        If a class has a single sample.

    Examples
    --------
    >>> kept, held_out = stratified_holdout(np.array([0, 0, 1, 1]), 0.5, seed=0)
    >>> len(kept), len(held_out)
    (2, 2)
    """
    if not 0 < share < 1:
        raise ConfigError(f"`share` must lie in (0, 1), but got {share}.")
    if seed < 0:
        raise ConfigError(f"`seed` must be at least 0, but got {seed}.")
    held_out_chunks = []
    for label in np.unique(labels_N):
        rows = np.flatnonzero(labels_N == label)
        if len(rows) < 2:
            raise DataError(
                f"Class {label} has a single sample: a stratified split needs two of each class. "
                "Add samples or drop the class."
            )
        count = min(max(round(share * len(rows)), 1), len(rows) - 1)
        order = np.random.default_rng([seed, int(label)]).permutation(len(rows))
        held_out_chunks.append(rows[order[:count]])
    held_out = np.sort(np.concatenate(held_out_chunks)).astype(np.int64)
    kept = np.setdiff1d(np.arange(len(labels_N), dtype=np.int64), held_out, assume_unique=True)
    return kept, held_out


def stratified_splits(
    labels_N: npt.NDArray[np.int64], *, test_share: float, minival_share: float, split_seed: int
) -> SplitIndices:
    """Cut off a fixed test split, then cut minival from the rest.

    Parameters
    ----------
    labels_N
        Class of each sample.
    test_share, minival_share
        Shares of all samples; together below 1.
    split_seed
        Seed of minival alone: the test split is the same for every seed.

    Raises
    ------
    ConfigError
        If a share or the seed is outside its range.
    DataError
        If a class is too small for three splits.
    """
    if not (test_share > 0 and minival_share > 0 and test_share + minival_share < 1):
        raise ConfigError(
            "`test_share` and `minival_share` must be above 0 and sum to less than 1, but got "
            f"{test_share} and {minival_share}."
        )
    if split_seed < 0:
        raise ConfigError(f"`split_seed` must be at least 0, but got {split_seed}.")
    rest, test = stratified_holdout(labels_N, test_share, seed=_TEST_SEED)
    of_rest = minival_share / (1 - test_share)
    kept, held_out = stratified_holdout(labels_N[rest], of_rest, seed=split_seed)
    return SplitIndices(train=rest[kept], minival=rest[held_out], test=test)


def cut(
    indices: SplitIndices,
    *,
    name: str,
    class_names: tuple[str, ...],
    attribute_names: tuple[str, ...],
    images_NCHW: npt.NDArray[np.uint8],
    labels_N: npt.NDArray[np.int64],
    attributes_NA: npt.NDArray[np.bool_],
) -> Dataset:
    """Assemble a dataset from whole arrays and the rows of its splits."""

    def part(rows: Indices) -> Split:
        return Split(
            images_NCHW=images_NCHW[rows],
            labels_N=labels_N[rows],
            attributes_NA=attributes_NA[rows],
        )

    return Dataset(
        name=name,
        class_names=class_names,
        attribute_names=attribute_names,
        train=part(indices.train),
        minival=part(indices.minival),
        test=part(indices.test),
    )
