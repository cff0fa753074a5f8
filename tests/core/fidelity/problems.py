"""Random problems of every kind, and Eq. 3's candidates one by one in plain Python."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from hypothesis import settings
from hypothesis import strategies as st

Bools = npt.NDArray[np.bool_]
Levels = npt.NDArray[np.int64]

brute = settings(max_examples=40, deadline=None)


class Problem(NamedTuple):
    """A split of a small data set as a network with `num_levels` levels sees it."""

    attributes_NA: Bools
    levels_ND: Levels
    labels_N: Levels
    num_levels: int


def random_problem(
    seed: int,
    *,
    num_samples: int = 14,
    num_features: int = 3,
    num_levels: int = 4,
    num_classes: int = 3,
) -> Problem:
    """Attributes of every prevalence, 0 and 1 included; features that skip levels or are constant.

    Some attributes follow a feature, so that not all matches are chance.
    """
    rng = np.random.default_rng(seed)
    spans_D = rng.integers(1, num_levels + 1, size=num_features)
    levels_ND = rng.integers(0, spans_D, size=(num_samples, num_features))
    attributes_NA = rng.random((num_samples, 6)) < np.array([0.0, 0.1, 0.3, 0.6, 1.0, 0.5])
    attributes_NA[:, 5] = (levels_ND[:, 0] == 0) ^ (rng.random(num_samples) < 0.2)
    # At least one occurs.
    attributes_NA[rng.integers(num_samples), 1] = True
    return Problem(
        attributes_NA, levels_ND, rng.integers(0, num_classes, size=num_samples), num_levels
    )


problems = st.builds(
    random_problem,
    st.integers(0, 2**32 - 1),
    num_samples=st.integers(1, 20),
    num_features=st.integers(1, 5),
    num_levels=st.integers(2, 5),
    num_classes=st.integers(1, 4),
)


def two_splits(seed: int, **sizes: int) -> tuple[Problem, Problem]:
    """The split to score and the split to choose on: other samples, the same columns."""
    there = random_problem(seed + 1, **sizes)
    return random_problem(seed, **sizes), there


pairs_of_splits = st.builds(
    two_splits,
    st.integers(0, 2**31),
    num_samples=st.integers(2, 20),
    num_features=st.integers(1, 4),
    num_levels=st.integers(2, 4),
)


def candidates(num_features: int, num_levels: int) -> Iterator[tuple[int, int, bool]]:
    """(feature, level, polarity) in the order in which ties are broken."""
    for feature in range(num_features):
        for level in range(num_levels):
            yield feature, level, True
            yield feature, level, False


def holds(levels_ND: Levels, candidate: tuple[int, int, bool]) -> list[bool]:
    feature, level, polarity = candidate
    return [(int(row[feature]) == level) == polarity for row in levels_ND]


def f1(truth: list[bool], said: list[bool]) -> float:
    """2 TP / (2 TP + FP + FN), counted sample by sample; 0 where that is 0 / 0."""
    hits = sum(a and b for a, b in zip(truth, said, strict=True))
    wrong = sum(a != b for a, b in zip(truth, said, strict=True))
    return 2 * hits / (2 * hits + wrong) if hits else 0.0


def matched(chosen_on: Problem, attribute: int, levels_ND: Levels) -> list[bool]:
    """What Eq. 3's match, chosen on one split, says of each sample of another."""
    truth = chosen_on.attributes_NA[:, attribute].tolist()
    if not any(truth):
        return [False] * len(levels_ND)
    best, best_f1 = (0, 0, True), -1.0
    for candidate in candidates(levels_ND.shape[1], chosen_on.num_levels):
        score = f1(truth, holds(chosen_on.levels_ND, candidate))
        if score > best_f1 + 1e-12:
            best, best_f1 = candidate, score
    return holds(levels_ND, best)
