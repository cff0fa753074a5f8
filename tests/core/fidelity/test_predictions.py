"""What is read of the matches: corrected F1, Matthews' correlation, gain inside classes."""

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import f1_score, matthews_corrcoef

from core.errors import DataError
from core.fidelity import (
    chance_corrected_f1,
    fidelity,
    matched_predictions,
    matthews_correlation,
    within_class_gain,
)
from tests.core.fidelity.problems import Problem, brute, f1, matched, pairs_of_splits, problems


def said_of(problem: Problem) -> np.ndarray:
    """Predictions with no regard to the attributes, constant ones among them."""
    rng = np.random.default_rng(len(problem.levels_ND))
    return rng.random(problem.attributes_NA.shape) < np.array([0.5, 0.0, 0.3, 0.7, 1.0, 0.5])


def varies(truth_N: np.ndarray) -> bool:
    return bool(truth_N.any() and not truth_N.all())


@brute
@given(pairs_of_splits)
def test_matches_are_chosen_on_the_selection_split(splits: tuple[Problem, Problem]) -> None:
    here, there = splits
    selection = (there.attributes_NA, there.levels_ND)

    said_NA = matched_predictions(
        here.attributes_NA, here.levels_ND, num_levels=here.num_levels, selection=selection
    )

    for attribute in range(said_NA.shape[1]):
        expected = matched(there, attribute, here.levels_ND)
        assert said_NA[:, attribute].tolist() == expected
    heldout_A = fidelity(
        here.attributes_NA, here.levels_ND, num_levels=here.num_levels, selection=selection
    ).matches.heldout_f1_A
    assert heldout_A is not None
    for attribute in np.flatnonzero(here.attributes_NA.any(axis=0)):
        truth = here.attributes_NA[:, attribute].tolist()
        assert heldout_A[attribute] == pytest.approx(f1(truth, said_NA[:, attribute].tolist()))


@brute
@given(problems)
def test_corrected_f1_agrees_with_scikit_learn(problem: Problem) -> None:
    said_NA = said_of(problem)
    expected = []
    for truth_N, said_N in zip(problem.attributes_NA.T, said_NA.T, strict=True):
        if varies(truth_N):
            floor = f1_score(truth_N, np.ones_like(truth_N))
            expected.append((f1_score(truth_N, said_N, zero_division=0.0) - floor) / (1 - floor))

    found = chance_corrected_f1(problem.attributes_NA, said_NA)

    assert found == (pytest.approx(np.mean(expected), abs=1e-12) if expected else None)


@brute
@given(problems)
def test_matthews_correlation_agrees_with_scikit_learn(problem: Problem) -> None:
    said_NA = said_of(problem)
    expected = [
        matthews_corrcoef(truth_N, said_N)
        for truth_N, said_N in zip(problem.attributes_NA.T, said_NA.T, strict=True)
        if varies(truth_N)
    ]

    found = matthews_correlation(problem.attributes_NA, said_NA)

    assert found == (pytest.approx(np.mean(expected), abs=1e-12) if expected else None)


@brute
@given(problems)
def test_gain_within_classes_agrees_with_a_loop_over_classes(problem: Problem) -> None:
    said_NA = said_of(problem)
    by_attribute = []
    for truth_N, said_N in zip(problem.attributes_NA.T, said_NA.T, strict=True):
        gains = []
        for label in set(problem.labels_N.tolist()):
            truth = truth_N[problem.labels_N == label].tolist()
            said = said_N[problem.labels_N == label].tolist()
            if any(truth) and not all(truth):
                gains.append(f1(truth, said) - f1(truth, [True] * len(truth)))
        if gains:
            by_attribute.append(sum(gains) / len(gains))

    found = within_class_gain(problem.attributes_NA, said_NA, problem.labels_N)

    assert found == (pytest.approx(np.mean(by_attribute), abs=1e-12) if by_attribute else None)


def test_a_class_detector_gains_nothing_within_classes() -> None:
    labels_N = np.repeat([0, 1], 50)
    rng = np.random.default_rng(0)
    attributes_NA = (rng.random(100) < np.where(labels_N == 0, 0.9, 0.1))[:, None]
    detector_NA = (labels_N == 0)[:, None]

    assert fidelity(attributes_NA, detector_NA.astype(np.uint8), num_levels=2).score > 0.85
    gain = within_class_gain(attributes_NA, detector_NA, labels_N)
    own = within_class_gain(attributes_NA, attributes_NA, labels_N)
    assert gain is not None
    assert own is not None
    assert gain < 0 < own


def test_attributes_of_classes_have_no_gain_within_them() -> None:
    labels_N = np.array([0, 0, 1, 1])
    attributes_NA = (labels_N == 1)[:, None]
    assert within_class_gain(attributes_NA, ~attributes_NA, labels_N) is None


def test_one_class_is_the_whole_split() -> None:
    attributes_NA = np.array([[1], [1], [0], [0]])
    said_NA = np.array([[1], [0], [0], [0]])
    # F1 2 / 3 above the floor's 2 / 3.
    assert within_class_gain(attributes_NA, said_NA, np.zeros(4, int)) == pytest.approx(0)


@pytest.mark.parametrize("constant", [0, 1])
def test_attributes_that_never_vary_have_neither(constant: int) -> None:
    attributes_NA = np.full((5, 2), constant)
    said_NA = np.eye(5, 2, dtype=int)
    assert chance_corrected_f1(attributes_NA, said_NA) is None
    assert matthews_correlation(attributes_NA, said_NA) is None


def test_large_counts_do_not_overflow() -> None:
    # The product of four counts of 80,000 leaves int64.
    attributes_NA = (np.arange(160_000) % 2 == 0)[:, None]
    assert matthews_correlation(attributes_NA, attributes_NA) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("attributes_NA", "said_NA", "message"),
    [
        (np.zeros((3, 2), int), np.zeros((3, 1), int), r"have \(3, 1\) for \(3, 2\)"),
        (np.zeros((0, 2), int), np.zeros((0, 2), int), r"shape is \(0, 2\)"),
        (np.full((3, 2), 2), np.zeros((3, 2), int), "of this split must be bool"),
        (np.zeros((3, 2), int), np.full((3, 2), 0.5), "of the predictions must be bool"),
    ],
)
def test_messages(attributes_NA: np.ndarray, said_NA: np.ndarray, message: str) -> None:
    for measure in (chance_corrected_f1, matthews_correlation):
        with pytest.raises(DataError, match=message):
            measure(attributes_NA, said_NA)
    with pytest.raises(DataError, match=message):
        within_class_gain(attributes_NA, said_NA, np.zeros(len(attributes_NA), int))


def test_classes_are_counted_from_zero_one_for_each_sample() -> None:
    attributes_NA = np.array([[1], [0]])
    with pytest.raises(DataError, match=r"one for each of 2 samples.*shape \(3,\)"):
        within_class_gain(attributes_NA, attributes_NA, np.zeros(3, int))
    with pytest.raises(DataError, match="the smallest is -1"):
        within_class_gain(attributes_NA, attributes_NA, np.array([-1, 0]))
