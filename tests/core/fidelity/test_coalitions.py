"""Coalitions: the greedy search in plain Python, sample by sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import fbeta_score

from core.fidelity import coalitions, fidelity
from tests.core.fidelity.problems import (
    Levels,
    Problem,
    candidates,
    f1,
    holds,
    problems,
    random_problem,
    two_splits,
)


def f_half(truth: list[bool], said: list[bool]) -> float:
    return float(fbeta_score(truth, said, beta=0.5, zero_division=0.0))


def greedy(problem: Problem, attribute: int) -> list[tuple[int, int, bool]]:
    """The members of an attribute's coalition."""
    truth = problem.attributes_NA[:, attribute].tolist()
    covered = [False] * len(truth)
    members: list[tuple[int, int, bool]] = []
    best_f1 = 0.0
    while len(members) < 3:
        left = [row for row, is_covered in enumerate(covered) if not is_covered]
        if not any(truth[row] for row in left):
            break
        best, best_score = (0, 0, True), -1.0
        for candidate in candidates(problem.levels_ND.shape[1], problem.num_levels):
            said = holds(problem.levels_ND, candidate)
            score = f_half([truth[row] for row in left], [said[row] for row in left])
            if score > best_score + 1e-12:
                best, best_score = candidate, score
        said = holds(problem.levels_ND, best)
        grown = [a or b for a, b in zip(covered, said, strict=True)]
        if f1(truth, grown) <= best_f1 + 1e-12:
            break
        members.append(best)
        covered, best_f1 = grown, f1(truth, grown)
    return members


def either(levels_ND: Levels, members: list[tuple[int, int, bool]]) -> list[bool]:
    said = [holds(levels_ND, member) for member in members]
    return [any(column[row] for column in said) for row in range(len(levels_ND))]


# scikit-learn takes a millisecond a call, and there are hundreds in an example.
@settings(max_examples=15, deadline=None)
@given(
    st.builds(
        random_problem,
        st.integers(0, 2**32 - 1),
        num_samples=st.integers(1, 20),
        num_features=st.integers(1, 3),
        num_levels=st.integers(2, 4),
    )
)
def test_agrees_with_the_search_in_plain_python(problem: Problem) -> None:
    found = coalitions(problem.attributes_NA, problem.levels_ND, num_levels=problem.num_levels)

    expected = []
    for attribute, truth_N in enumerate(problem.attributes_NA.T):
        members = greedy(problem, attribute)
        assert found.size_A[attribute] == len(members)
        if truth_N.any():
            expected.append(f1(truth_N.tolist(), either(problem.levels_ND, members)))
            assert found.f1_A[attribute] == pytest.approx(expected[-1], abs=1e-12)
        else:
            assert np.isnan(found.f1_A[attribute])
    assert found.score == pytest.approx(np.mean(expected), abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_members_are_chosen_on_the_selection_split_and_scored_here(seed: int) -> None:
    here, there = two_splits(seed, num_samples=18, num_features=3)

    found = coalitions(
        here.attributes_NA,
        here.levels_ND,
        num_levels=here.num_levels,
        selection=(there.attributes_NA, there.levels_ND),
    )

    for attribute, truth_N in enumerate(here.attributes_NA.T):
        members = greedy(there, attribute)
        assert found.size_A[attribute] == len(members)
        if truth_N.any():
            said = either(here.levels_ND, members)
            assert found.f1_A[attribute] == pytest.approx(f1(truth_N.tolist(), said), abs=1e-12)


def test_an_attribute_spread_over_three_features_is_recovered() -> None:
    levels_ND = np.zeros((9, 3), dtype=np.int64)
    levels_ND[[0, 1], 0] = levels_ND[[2, 3], 1] = levels_ND[[4, 5], 2] = 3
    attributes_NA = np.arange(9)[:, None] < 6

    found = coalitions(attributes_NA, levels_ND, num_levels=4)

    assert (found.score, found.size_A.tolist()) == (1.0, [3])
    # No single entry does: a constant has 2 * 6 / (6 + 9) = 0.8.
    assert fidelity(attributes_NA, levels_ND, num_levels=4).score == pytest.approx(0.8)


def test_a_coalition_has_at_most_three_members() -> None:
    levels_ND = np.eye(8, dtype=np.int64)
    attributes_NA = np.arange(8)[:, None] < 4
    found = coalitions(attributes_NA, levels_ND, num_levels=2)
    assert found.size_A.tolist() == [3]
    # Three of four, none wrong.
    assert found.score == pytest.approx(6 / 7)


def test_what_the_selection_split_never_shows_counts_as_zero() -> None:
    levels_ND = np.array([[1], [0]])
    selection = (np.array([[0, 1], [0, 0]]), levels_ND)
    found = coalitions(np.array([[1, 1], [0, 0]]), levels_ND, num_levels=2, selection=selection)
    assert found.f1_A.tolist() == [0.0, 1.0]
    assert found.size_A.tolist() == [0, 1]


def test_covered_samples_are_counted_alike_from_either_side() -> None:
    # "Not level 0" covers most samples at once, so that the uncovered ones are counted.
    rng = np.random.default_rng(5)
    levels_ND = rng.integers(0, 4, size=(60, 6))
    attributes_NA = (levels_ND[:, :1] != 0) | (levels_ND[:, 1:2] == 2)
    problem = Problem(attributes_NA, levels_ND, np.zeros(60, dtype=np.int64), 4)

    found = coalitions(attributes_NA, levels_ND, num_levels=4)

    members = greedy(problem, 0)
    assert found.size_A.tolist() == [len(members)]
    assert found.score == pytest.approx(
        f1(attributes_NA[:, 0].tolist(), either(levels_ND, members)), abs=1e-12
    )


@settings(deadline=None)
@given(problems)
def test_every_attribute_that_occurs_has_a_member(problem: Problem) -> None:
    found = coalitions(problem.attributes_NA, problem.levels_ND, num_levels=problem.num_levels)
    assert ((found.size_A > 0) == problem.attributes_NA.any(axis=0)).all()
    assert (found.size_A <= 3).all()
