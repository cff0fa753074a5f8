"""What is said of features: class independence and SLDD's alignment, by loops."""

import numpy as np
import pytest
from hypothesis import given

from core.errors import ConfigError, DataError
from core.fidelity import class_independence, sldd_alignment
from tests.core.fidelity.problems import Problem, brute, problems


@brute
@given(problems)
def test_class_independence_agrees_with_a_loop(problem: Problem) -> None:
    shares = []
    for level_N in problem.levels_ND.T:
        activation = [int(level) - int(level_N.min()) for level in level_N]
        if not sum(activation):
            continue
        by_class: dict[int, int] = {}
        for value, label in zip(activation, problem.labels_N.tolist(), strict=True):
            by_class[label] = by_class.get(label, 0) + value
        shares.append(max(by_class.values()) / sum(activation))

    found = class_independence(problem.levels_ND, problem.labels_N)

    assert found == (pytest.approx(1 - np.mean(shares), abs=1e-12) if shares else None)


def test_detectors_have_none_and_even_features_the_most() -> None:
    labels_N = np.repeat(np.arange(4), 5)
    detectors_ND = (np.eye(4, dtype=np.uint8) * 15)[labels_N]
    assert class_independence(detectors_ND, labels_N) == 0
    even_ND = np.tile(np.array([0, 3, 5, 9, 15], dtype=np.uint8), 4)[:, None]
    assert class_independence(even_ND, labels_N) == pytest.approx(0.75)


def test_one_class_has_all_the_activation() -> None:
    assert class_independence(np.array([[0], [1]]), np.zeros(2, int)) == 0


def test_unsigned_levels_do_not_wrap() -> None:
    levels_ND = np.array([[255], [254], [254]], dtype=np.uint8)
    assert class_independence(levels_ND, np.array([0, 1, 1])) == 0


def test_messages_of_class_independence() -> None:
    with pytest.raises(DataError, match=r"shape is \(0, 2\)"):
        class_independence(np.zeros((0, 2), int), np.zeros(0, int))
    with pytest.raises(DataError, match=r"float64\. Quantize"):
        class_independence(np.zeros((2, 2)), np.zeros(2, int))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="one for each of 2 samples"):
        class_independence(np.zeros((2, 2), int), np.zeros((2, 1), int))


def alignment(problem: Problem, certain_NA: np.ndarray) -> float | None:
    scores = []
    for level_N in problem.levels_ND.T.astype(float):
        best = None
        for truth_N, certain_N in zip(problem.attributes_NA.T, certain_NA.T, strict=True):
            present, absent = level_N[truth_N & certain_N], level_N[~truth_N & certain_N]
            if len(present) and len(absent):
                difference = present.mean() - absent.mean()
                best = difference if best is None else max(best, difference)
        if best is not None and level_N.min() < level_N.max():
            scores.append(best / (level_N - level_N.min()).mean())
    return float(np.mean(scores)) if scores else None


@brute
@given(problems)
def test_alignment_agrees_with_a_loop(problem: Problem) -> None:
    certain_NA = np.random.default_rng(1).random(problem.attributes_NA.shape) < 0.8
    for certain in (None, certain_NA):
        expected = alignment(problem, np.ones_like(certain_NA) if certain is None else certain)

        found = sldd_alignment(
            problem.attributes_NA,
            problem.levels_ND,
            num_levels=problem.num_levels,
            certain_NA=certain,
        )

        assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_uncertain_cells_are_not_read() -> None:
    attributes_NA = np.array([[1], [0], [0], [1]])
    levels_ND = np.array([[4], [1], [1], [0]])
    certain_NA = np.array([[1], [1], [1], [0]])
    assert sldd_alignment(attributes_NA, levels_ND, num_levels=5) == pytest.approx(1 / 1.5)
    assert sldd_alignment(
        attributes_NA, levels_ND, num_levels=5, certain_NA=certain_NA
    ) == pytest.approx(3 / 1.5)


def test_constant_features_and_attributes_have_no_alignment() -> None:
    assert sldd_alignment(np.array([[1], [0]]), np.full((2, 3), 2), num_levels=4) is None
    assert sldd_alignment(np.ones((2, 1), int), np.array([[0], [2]]), num_levels=4) is None


def test_messages_of_alignment() -> None:
    attributes_NA, levels_ND = np.array([[1], [0]]), np.array([[1], [0]])
    with pytest.raises(DataError, match=r"shape \(1, 1\) for \(2, 1\)"):
        sldd_alignment(attributes_NA, levels_ND, num_levels=2, certain_NA=np.ones((1, 1), int))
    with pytest.raises(ConfigError, match="at least 2, but got 1"):
        sldd_alignment(attributes_NA, levels_ND, num_levels=1)
    with pytest.raises(DataError, match="all 1 are absent"):
        sldd_alignment(attributes_NA * 0, levels_ND, num_levels=2)
