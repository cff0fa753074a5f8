"""One-to-one: every assignment tried, for splits of all shapes."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given

from core.fidelity import distinct_features, fidelity, one_to_one
from tests.core.fidelity.problems import (
    Problem,
    brute,
    candidates,
    f1,
    holds,
    pairs_of_splits,
    problems,
    two_splits,
)


def f1_table(problem: Problem) -> dict[tuple[int, int], tuple[float, tuple[int, int, bool]]]:
    """For each attribute that occurs and each feature: its best F1 and the candidate."""
    table = {}
    for attribute in np.flatnonzero(problem.attributes_NA.any(axis=0)).tolist():
        truth = problem.attributes_NA[:, attribute].tolist()
        for candidate in candidates(problem.levels_ND.shape[1], problem.num_levels):
            key = (attribute, candidate[0])
            score = f1(truth, holds(problem.levels_ND, candidate))
            if key not in table or score > table[key][0] + 1e-12:
                table[key] = (score, candidate)
    return table


def best_total(table: dict[tuple[int, int], tuple[float, tuple[int, int, bool]]]) -> float:
    """The largest sum of F1 over all ways to give different features to attributes."""
    attributes = sorted({attribute for attribute, _ in table})
    features = sorted({feature for _, feature in table})
    # Attributes without a feature draw a blank.
    drawn = [*features, *([None] * len(attributes))]
    return max(
        sum(
            table[attribute, feature][0]
            for attribute, feature in zip(attributes, order, strict=False)
            if feature is not None
        )
        for order in set(permutations(drawn, len(attributes)))
    )


@brute
@given(problems)
def test_no_other_assignment_is_better(problem: Problem) -> None:
    table = f1_table(problem)
    occurring = {attribute for attribute, _ in table}

    found = one_to_one(problem.attributes_NA, problem.levels_ND, num_levels=problem.num_levels)

    assert found.score == pytest.approx(best_total(table) / len(occurring), abs=1e-12)


@brute
@given(pairs_of_splits)
def test_features_are_chosen_on_the_selection_split_and_scored_here(
    splits: tuple[Problem, Problem],
) -> None:
    here, there = splits
    table = f1_table(there)

    found = one_to_one(
        here.attributes_NA,
        here.levels_ND,
        num_levels=here.num_levels,
        selection=(there.attributes_NA, there.levels_ND),
    )

    used = found.feature_A[found.feature_A >= 0].tolist()
    assert len(set(used)) == len(used) == min(here.levels_ND.shape[1], len({a for a, _ in table}))
    total = sum(table[a, f][0] for a, f in enumerate(found.feature_A.tolist()) if f >= 0)
    assert total == pytest.approx(best_total(table), abs=1e-12)
    for attribute, feature in enumerate(found.feature_A.tolist()):
        truth = here.attributes_NA[:, attribute].tolist()
        if not any(truth):
            assert np.isnan(found.f1_A[attribute])
        elif feature < 0:
            assert found.f1_A[attribute] == 0
        else:
            said = holds(here.levels_ND, table[attribute, feature][1])
            assert found.f1_A[attribute] == pytest.approx(f1(truth, said), abs=1e-12)
    assert found.score == pytest.approx(float(np.nanmean(found.f1_A)), abs=1e-15)


def test_one_feature_cannot_answer_for_two_attributes() -> None:
    attributes_NA = np.array([[1, 1], [1, 1], [0, 0], [0, 0]])
    levels_ND = np.array([[1, 0], [1, 0], [0, 0], [0, 1]])

    found = one_to_one(attributes_NA, levels_ND, num_levels=2)

    assert fidelity(attributes_NA, levels_ND, num_levels=2).score == 1.0
    # The other feature's best is 1[v = 0]: 2 hits, 1 false one, F1 = 4 / 5.
    assert found.score == pytest.approx(0.9)
    assert sorted(found.feature_A.tolist()) == [0, 1]


def test_attributes_beyond_the_number_of_features_count_as_zero() -> None:
    attributes_NA = np.eye(4, dtype=np.bool_)[:, :3]
    found = one_to_one(attributes_NA, np.array([[1], [0], [0], [0]]), num_levels=2)
    assert found.f1_A.tolist() == [1.0, 0.0, 0.0]
    assert found.feature_A.tolist() == [0, -1, -1]


def test_the_score_never_exceeds_fidelity() -> None:
    for seed in range(20):
        here, there = two_splits(seed, num_features=8)
        selection = (there.attributes_NA, there.levels_ND)
        alone = one_to_one(here.attributes_NA, here.levels_ND, num_levels=4)
        chosen = one_to_one(here.attributes_NA, here.levels_ND, num_levels=4, selection=selection)
        score = fidelity(here.attributes_NA, here.levels_ND, num_levels=4).score
        assert chosen.score <= score + 1e-12
        assert alone.score <= score + 1e-12


@brute
@given(problems)
def test_distinct_features_counts_the_matches_of_fidelity(problem: Problem) -> None:
    result = fidelity(problem.attributes_NA, problem.levels_ND, num_levels=problem.num_levels)
    matched = {feature for feature in result.matches.feature_A.tolist() if feature >= 0}
    assert distinct_features(
        problem.attributes_NA, problem.levels_ND, num_levels=problem.num_levels
    ) == len(matched)
