"""Means, deviations and paired differences against scipy, and what one seed cannot say."""

import pytest
from scipy import stats

from sweep.report import Difference, Spread


def test_paired_differences_are_those_of_scipy() -> None:
    first = {0: 0.61, 1: 0.64, 2: 0.60, 3: 0.66}
    second = {0: 0.58, 1: 0.60, 2: 0.59, 3: 0.61}
    difference = Difference.of(first, second)
    expected = stats.ttest_rel(list(first.values()), list(second.values()))
    interval = expected.confidence_interval(0.95)
    assert difference is not None
    assert difference.interval() == pytest.approx((interval.low, interval.high))
    assert difference.count == 4


def test_differences_pair_the_seeds_that_both_arms_have() -> None:
    difference = Difference.of({0: 1.0, 1: 2.0, 7: 9.0}, {1: 1.5, 0: 0.5, 8: 3.0})
    assert difference == Difference(mean=0.5, half_width=0.0, count=2)
    assert Difference.of({0: 1.0}, {0: 0.25}) == Difference(mean=0.75, half_width=None, count=1)
    assert Difference.of({0: 1.0}, {1: 1.0}) is None


def test_the_interval_of_a_mean_is_students() -> None:
    values = [0.61, 0.64, 0.60]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert Spread.of(values).interval() == pytest.approx((expected.low, expected.high))


def test_one_seed_has_neither_deviation_nor_interval() -> None:
    spread = Spread.of([0.5])
    assert (spread.mean, spread.deviation, spread.interval()) == (0.5, None, None)
