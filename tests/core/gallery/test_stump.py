"""How images are ordered by a feature's level and margin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from core.extractor import AttributeMatch
from core.gallery import Stump

LEVELS = np.array([0, 3, 2, 1, 2, 3, 0], dtype=np.uint8)
FEATURES = np.array([0.1, 3.4, 2.2, 1.0, 1.6, 2.9, 0.2])


def rows(stump: Stump) -> list[int]:
    return stump.ranking(LEVELS, FEATURES, num_levels=4).tolist()


def test_above_a_threshold_the_highest_level_and_feature_come_first() -> None:
    # Levels 3, 3 | 2, 2 | 1 | 0, 0, and within a level the larger feature.
    assert rows(Stump(feature=0, lowest=2, highest=3)) == [1, 5, 2, 4, 3, 6, 0]


def test_without_polarity_the_order_turns_round() -> None:
    assert rows(Stump(feature=0, lowest=2, highest=3, polarity=False)) == [0, 6, 3, 4, 2, 5, 1]


def test_a_single_level_has_its_middle_first() -> None:
    # Level 2 lies between 1.0 and 2.9: 1.6 is 0.6 from an end, 2.2 is 0.7. Levels 1 and 3 are one
    # away: 2.9 lies on the edge, 1.0 as well, 3.4 half a unit beyond. Both of level 0 are two away.
    assert rows(Stump(feature=0, lowest=2, highest=2)) == [2, 4, 3, 5, 1, 6, 0]


def test_equal_images_keep_their_order() -> None:
    stump = Stump(feature=0, lowest=1, highest=3)
    level_N, feature_N = np.full(5, 2, dtype=np.uint8), np.full(5, 0.5)
    assert stump.ranking(level_N, feature_N, num_levels=4).tolist() == [0, 1, 2, 3, 4]


@given(
    levels=st.lists(st.integers(0, 7), min_size=1, max_size=30),
    ends=st.tuples(st.integers(0, 7), st.integers(0, 7)),
    polarity=st.booleans(),
)
def test_whatever_fires_comes_before_whatever_does_not(
    levels: list[int], ends: tuple[int, int], polarity: bool
) -> None:
    stump = Stump(feature=0, lowest=min(ends), highest=max(ends), polarity=polarity)
    level_N = np.array(levels, dtype=np.uint8)
    ranking = stump.ranking(level_N, level_N.astype(float), num_levels=8)
    assert sorted(ranking.tolist()) == list(range(len(levels)))
    holds = stump.holds(level_N[ranking]).tolist()
    assert holds == sorted(holds, reverse=True)


def test_a_match_is_a_stump_of_one_level() -> None:
    match = AttributeMatch(
        attribute="x", feature=3, level=2, polarity=False, f1=0.5, heldout_f1=None, floor=0.1
    )
    stump = Stump.of(match)
    levels_ND = np.arange(16, dtype=np.uint8).reshape(4, 4) % 4
    assert np.array_equal(stump.holds(levels_ND[:, 3]), match.holds(levels_ND))


@pytest.mark.parametrize(("feature", "lowest", "highest"), [(-1, 0, 1), (0, 2, 1), (0, -1, 1)])
def test_no_stump(feature: int, lowest: int, highest: int) -> None:
    with pytest.raises(ConfigError, match="A stump takes"):
        Stump(feature=feature, lowest=lowest, highest=highest)
