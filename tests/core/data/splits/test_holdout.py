"""The 70/30 cut: its size, the classes' shares, groups that stay whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.splits import smaller_part, stratified_group_holdout
from core.errors import ConfigError


def test_published_sizes() -> None:
    assert smaller_part(37322) == 11197
    assert smaller_part(2644) == 794
    assert [smaller_part(count) for count in (1, 3, 4, 10)] == [1, 1, 2, 3]


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 30), min_size=1, max_size=5),
    share=st.floats(0, 0.6),
    seed=st.integers(0, 2**32),
)
def test_every_class_gives_its_share_and_the_sum_is_exact(
    sizes: list[int], share: float, seed: int
) -> None:
    labels_N = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    count = min(int(share * len(labels_N)), len(labels_N) - len(sizes))
    is_out_N = stratified_group_holdout(labels_N, np.arange(len(labels_N)), count, seed=seed)
    assert is_out_N.sum() == count
    for label, size in enumerate(sizes):
        of_class = np.count_nonzero(is_out_N[labels_N == label])
        assert of_class < size
        # Where small classes cannot spare theirs, the others give more.
        assert of_class >= min(int(count * size / len(labels_N)), size - 1)


@pytest.mark.parametrize(
    ("sizes", "count", "shares"),
    [
        ([7, 3], 3, [2, 1]),  # 2.1 and 0.9
        ([5, 5], 3, [2, 1]),  # 1.5 and 1.5: the lower label
        ([1, 9], 2, [0, 2]),  # 0.2 and 1.8
        ([1, 1, 4], 3, [0, 0, 3]),  # 0.5, 0.5 and 2, but each class keeps a row
    ],
)
def test_shares_worked_out_by_hand(sizes: list[int], count: int, shares: list[int]) -> None:
    labels_N = np.repeat(np.arange(len(sizes)), sizes)
    is_out_N = stratified_group_holdout(labels_N, np.arange(len(labels_N)), count, seed=0)
    assert np.bincount(labels_N, weights=is_out_N).tolist() == shares


@settings(max_examples=50, deadline=None)
@given(
    groups=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=8, max_size=40),
    seed=st.integers(0, 2**32),
)
def test_groups_stay_whole_and_the_size_is_near(groups: list[tuple[int, int]], seed: int) -> None:
    labels_G, sizes_G = (np.array(column) for column in zip(*groups, strict=True))
    order = np.random.default_rng(1).permutation(int(sizes_G.sum()))
    groups_N = np.repeat(np.arange(len(groups)), sizes_G)[order]
    labels_N = labels_G[groups_N]
    count = smaller_part(len(labels_N))
    is_out_N = stratified_group_holdout(labels_N, groups_N, count, seed=seed)
    assert not set(groups_N[is_out_N]) & set(groups_N[~is_out_N])
    # What is left of a class's share is smaller than each of its groups that stayed.
    assert count - 3 * 4 < is_out_N.sum() <= count


def test_a_share_that_only_single_rows_can_fill_is_filled() -> None:
    groups_N = np.array([0, 0, 0, 0, 1, 1, 1, 2, 3, 4])
    for seed in range(20):
        is_out_N = stratified_group_holdout(np.zeros(10, dtype=np.int64), groups_N, 3, seed=seed)
        assert is_out_N.sum() == 3


def test_names_of_groups_do_not_matter_and_the_seed_does() -> None:
    labels_N = np.repeat([0, 1], 30)
    groups_N = np.arange(60) // 2
    cut = stratified_group_holdout(labels_N, groups_N, 18, seed=4)
    np.testing.assert_array_equal(
        cut, stratified_group_holdout(labels_N, 1000 - groups_N, 18, seed=4)
    )
    assert not np.array_equal(cut, stratified_group_holdout(labels_N, groups_N, 18, seed=5))


def test_a_group_counts_with_the_class_of_its_first_row() -> None:
    labels_N = np.array([1, 0, 0, 1, 0, 1])
    groups_N = np.array([7, 7, 3, 5, 4, 6])
    is_out_N = stratified_group_holdout(labels_N, groups_N, 2, seed=0)
    assert is_out_N[0] == is_out_N[1]
    assert is_out_N.sum() == 2


@pytest.mark.parametrize(("count", "seed"), [(5, 0), (-1, 0), (1, -1), (1, True), (1, 1.5)])
def test_refusals(count: int, seed: int) -> None:
    with pytest.raises(ConfigError, match=r"`count` must lie in \[0, 4\]|`seed` must be a whole"):
        stratified_group_holdout(np.zeros(4, dtype=np.int64), np.arange(4), count, seed=seed)
