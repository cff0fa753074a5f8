"""Stratified splits: disjoint, complete, stratified, reproducible, with a test split that stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.splits import stratified_holdout, stratified_splits
from core.errors import ConfigError, DataError

class_sizes = st.lists(st.integers(3, 40), min_size=1, max_size=6)


@given(class_sizes, st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 2**32))
def test_splits_part_the_rows(
    sizes: list[int], test_share: float, minival_share: float, split_seed: int
) -> None:
    labels_N = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    indices = stratified_splits(
        labels_N, test_share=test_share, minival_share=minival_share, split_seed=split_seed
    )
    together = np.concatenate([indices.train, indices.minival, indices.test])
    assert np.array_equal(np.sort(together), np.arange(len(labels_N)))
    for rows in (indices.train, indices.minival, indices.test):
        assert np.array_equal(rows, np.unique(rows))
        assert set(labels_N[rows]) == set(range(len(sizes)))


@given(class_sizes, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_every_class_gives_its_share(sizes: list[int], share: float, seed: int) -> None:
    labels_N = np.repeat(np.arange(len(sizes)), sizes)
    _, held_out = stratified_holdout(labels_N, share, seed=seed)
    for label, size in enumerate(sizes):
        count = np.count_nonzero(labels_N[held_out] == label)
        assert count == min(max(round(share * size), 1), size - 1)


def test_split_seed_moves_minival_and_leaves_test() -> None:
    labels_N = np.repeat(np.arange(4), 50)
    first, same, other = (
        stratified_splits(labels_N, test_share=0.2, minival_share=0.1, split_seed=seed)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first.minival, same.minival)
    assert not np.array_equal(first.minival, other.minival)
    assert np.array_equal(first.test, other.test)


def test_a_class_is_cut_alike_whatever_other_classes_there_are() -> None:
    alone = np.zeros(30, dtype=np.int64)
    in_company = np.concatenate([alone, np.ones(17, dtype=np.int64)])
    _, held_out_alone = stratified_holdout(alone, 0.3, seed=5)
    _, held_out = stratified_holdout(in_company, 0.3, seed=5)
    assert np.array_equal(held_out[held_out < 30], held_out_alone)


def test_classes_of_one_size_are_not_cut_alike() -> None:
    labels_N = np.repeat(np.arange(2), 50)
    _, held_out = stratified_holdout(labels_N, 0.3, seed=0)
    assert set(held_out[held_out < 50]) != set(held_out[held_out >= 50] - 50)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_holdout_refuses_a_share_outside_its_range(share: float) -> None:
    with pytest.raises(ConfigError, match=r"`share` must lie in \(0, 1\)"):
        stratified_holdout(np.zeros(4, dtype=np.int64), share, seed=0)


def test_refusals_of_the_whole_cut() -> None:
    labels_N = np.zeros(10, dtype=np.int64)
    with pytest.raises(ConfigError, match=r"sum to less than 1, but got 0\.6 and 0\.4"):
        stratified_splits(labels_N, test_share=0.6, minival_share=0.4, split_seed=0)
    with pytest.raises(ConfigError, match="`split_seed` must be at least 0, but got -1"):
        stratified_splits(labels_N, test_share=0.2, minival_share=0.1, split_seed=-1)
    with pytest.raises(DataError, match="Class 3 has a single sample"):
        stratified_holdout(np.array([0, 0, 3]), 0.5, seed=0)
