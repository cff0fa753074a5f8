"""The counterfactual switch, pair by pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, DataError
from core.fidelity import Counterfactuals, counterfactual_switch
from tests.core.fidelity.problems import Problem, brute, matched, problems


def random_pairs(problem: Problem, seed: int, *, num_changed: int = 1) -> Counterfactuals:
    """Pairs in which `num_changed` attributes differ, and any levels."""
    rng = np.random.default_rng(seed)
    num_pairs, num_attributes = 7, problem.attributes_NA.shape[1]
    before_PA = rng.random((num_pairs, num_attributes)) < 0.4
    after_PA = before_PA.copy()
    for row in after_PA:
        row[rng.permutation(num_attributes)[:num_changed]] ^= True
    shape = (num_pairs, problem.levels_ND.shape[1])
    before_PD = rng.integers(0, problem.num_levels, size=shape)
    after_PD = np.where(
        rng.random(shape) < 0.5, before_PD, rng.integers(0, problem.num_levels, size=shape)
    )
    return Counterfactuals(
        before_attributes_PA=before_PA,
        after_attributes_PA=after_PA,
        before_levels_PD=before_PD,
        after_levels_PD=after_PD,
    )


@brute
@given(problems, st.integers(0, 1000), st.integers(1, 2))
def test_agrees_with_a_loop_over_pairs(problem: Problem, seed: int, num_changed: int) -> None:
    pairs = random_pairs(problem, seed, num_changed=num_changed)
    follows, flips = [], []
    for attribute in range(problem.attributes_NA.shape[1]):
        said_before = matched(problem, attribute, np.asarray(pairs.before_levels_PD))
        said_after = matched(problem, attribute, np.asarray(pairs.after_levels_PD))
        for pair in range(len(pairs.before_levels_PD)):
            before = bool(pairs.before_attributes_PA[pair, attribute])
            after = bool(pairs.after_attributes_PA[pair, attribute])
            if before != after:
                follows.append(said_before[pair] == before and said_after[pair] == after)
            else:
                flips.append(said_before[pair] != said_after[pair])

    found = counterfactual_switch(
        pairs, problem.attributes_NA, problem.levels_ND, num_levels=problem.num_levels
    )

    assert found == pytest.approx(np.mean(follows) - np.mean(flips), abs=1e-12)


ATTRIBUTES = np.array([[1, 0], [1, 1], [0, 1], [0, 0]])
LEVELS = np.array([[1, 0], [1, 1], [0, 1], [0, 0]])


def pairs_of(before: list[list[int]], after: list[list[int]], *, levels_after: list[list[int]]):
    return Counterfactuals(
        before_attributes_PA=np.array(before),
        after_attributes_PA=np.array(after),
        before_levels_PD=np.array(before),
        after_levels_PD=np.array(levels_after),
    )


@pytest.mark.parametrize(
    ("levels_after", "expected"),
    [
        ([[1, 0]], 1.0),  # its own feature alone
        ([[1, 1]], 0.0),  # all features at once
        ([[0, 0]], 0.0),  # none
        ([[0, 1]], -1.0),  # another's alone
    ],
)
def test_what_follows_and_what_flips(levels_after: list[list[int]], expected: float) -> None:
    pairs = pairs_of([[0, 0]], [[1, 0]], levels_after=levels_after)
    assert counterfactual_switch(pairs, ATTRIBUTES, LEVELS, num_levels=2) == expected


def test_a_flip_the_wrong_way_does_not_count() -> None:
    pairs = Counterfactuals(
        before_attributes_PA=np.array([[0, 0]]),
        after_attributes_PA=np.array([[1, 0]]),
        before_levels_PD=np.array([[1, 0]]),
        after_levels_PD=np.array([[0, 0]]),
    )
    assert counterfactual_switch(pairs, ATTRIBUTES, LEVELS, num_levels=2) == 0


def test_a_single_attribute_has_no_others() -> None:
    pairs = pairs_of([[0]], [[1]], levels_after=[[1]])
    assert counterfactual_switch(pairs, ATTRIBUTES[:, :1], LEVELS[:, :1], num_levels=2) == 1


def test_an_attribute_without_a_match_never_follows() -> None:
    pairs = pairs_of([[0, 0]], [[1, 0]], levels_after=[[1, 0]])
    attributes_NA = ATTRIBUTES * np.array([0, 1])
    assert counterfactual_switch(pairs, attributes_NA, LEVELS, num_levels=2) == 0


def test_messages() -> None:
    same = pairs_of([[0, 0], [1, 0]], [[0, 1], [1, 0]], levels_after=[[1, 0], [1, 0]])
    with pytest.raises(DataError, match="1 of 2 do not, the first of them pair 1"):
        counterfactual_switch(same, ATTRIBUTES, LEVELS, num_levels=2)
    fewer = pairs_of([[0, 0], [1, 0]], [[0, 1]], levels_after=[[1, 0], [1, 0]])
    with pytest.raises(DataError, match="as many images before as after"):
        counterfactual_switch(fewer, ATTRIBUTES, LEVELS, num_levels=2)
    good = pairs_of([[0, 0]], [[1, 0]], levels_after=[[1, 0]])
    with pytest.raises(DataError, match="2 and 1 columns, but have shapes"):
        counterfactual_switch(good, ATTRIBUTES, LEVELS[:, :1], num_levels=2)
    with pytest.raises(ConfigError, match="at least 2"):
        counterfactual_switch(good, ATTRIBUTES, LEVELS, num_levels=1)
    beyond = pairs_of([[0, 0]], [[1, 0]], levels_after=[[2, 0]])
    with pytest.raises(DataError, match="Levels of the images after must lie"):
        counterfactual_switch(beyond, ATTRIBUTES, LEVELS, num_levels=2)
    none = np.zeros((0, 2), int)
    with pytest.raises(DataError, match=r"images before must be a matrix.*\(0, 2\)"):
        counterfactual_switch(
            Counterfactuals(
                before_attributes_PA=none,
                after_attributes_PA=none,
                before_levels_PD=none,
                after_levels_PD=none,
            ),
            ATTRIBUTES,
            LEVELS,
            num_levels=2,
        )
