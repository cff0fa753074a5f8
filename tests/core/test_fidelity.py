"""Fidelity: hand-worked values, brute force over every pair, invariances, bounds, errors."""

import random
import time
import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from core.errors import ConfigError, DataError
from core.fidelity import Fidelity, fidelity

Bools = npt.NDArray[np.bool_]
Levels = npt.NDArray[np.int64]
Split = tuple[Bools, Levels]

NUM_LEVELS = 4
GOOD_ATTRIBUTES = np.array([[1, 0], [0, 1]])
GOOD_LEVELS = np.array([[0, 1], [1, 1]])

# scikit-learn takes milliseconds a call, and a busy machine more: no deadline.
against_scikit_learn = settings(max_examples=40, deadline=None)
any_speed = settings(deadline=None)


def random_split(seed: int, *, num_samples: int = 12, num_features: int = 3) -> Split:
    """Attributes of every prevalence and levels of which some are never taken."""
    generator = np.random.default_rng(seed)
    prevalence_A = np.array([0.0, 0.1, 0.3, 0.6, 1.0])
    attributes_NA = generator.random((num_samples, 5)) < prevalence_A
    spans_D = generator.integers(1, NUM_LEVELS + 1, size=num_features)
    levels_ND = generator.integers(0, spans_D, size=(num_samples, num_features))
    return attributes_NA, levels_ND


splits = st.builds(
    random_split,
    st.integers(0, 2**32 - 1),
    num_samples=st.integers(1, 20),
    num_features=st.integers(1, 5),
)


def f1_of_each(attribute_N: Bools, candidates_NC: Bools) -> npt.NDArray[np.float64]:
    """F1 of every candidate on one attribute, by scikit-learn."""
    attribute_NC = np.repeat(attribute_N[:, None], candidates_NC.shape[1], axis=1)
    scores: npt.NDArray[np.float64] = f1_score(attribute_NC, candidates_NC, average=None)
    return scores


def brute_force(
    attributes_NA: Bools, levels_ND: Levels, num_levels: int
) -> list[tuple[float, int, int, bool] | None]:
    """(F1, feature, level, polarity) of each attribute, the first of the best in tie order."""
    names = [
        (feature, level, polarity)
        for feature in range(levels_ND.shape[1])
        for level in range(num_levels)
        for polarity in (True, False)
    ]
    candidates_NC = np.stack([(levels_ND[:, i] == j) == polarity for i, j, polarity in names], 1)
    found: list[tuple[float, int, int, bool] | None] = []
    for attribute_N in attributes_NA.T:
        if not attribute_N.any():
            found.append(None)
            continue
        # Rounding spares ties from scikit-learn's last digit; `argmax` keeps the first.
        scores_C = f1_of_each(attribute_N, candidates_NC).round(12)
        found.append((float(scores_C.max()), *names[int(scores_C.argmax())]))
    return found


def reports_an_absent_attribute(result: Fidelity, index: int) -> bool:
    matches = result.matches
    return (
        not matches.occurs_A[index]
        and bool(np.isnan(matches.f1_A[index]))
        and matches.feature_A[index] == matches.level_A[index] == -1
    )


class TestHandWorkedValues:
    def test_perfect_recovery_scores_one(self) -> None:
        attributes_NA = np.array([[1, 0], [1, 0], [0, 0], [0, 1]])
        levels_ND = np.array([[2, 0], [2, 1], [0, 0], [1, 1]])

        result = fidelity(attributes_NA, levels_ND, num_levels=4)

        assert result.score == 1.0
        # Prevalences 1/2 and 1/4: (2/3 + 2/5) / 2.
        assert result.floor == pytest.approx(8 / 15, abs=1e-15)
        assert result.matches.feature_A.tolist() == [0, 0]
        assert result.matches.level_A.tolist() == [2, 1]
        assert result.matches.polarity_A.tolist() == [True, True]

    def test_partial_overlap(self) -> None:
        # 1[v = 0] hits one of two positives and adds one false one: F1 = 2 / (2 + 2) = 1/2.
        # 1[v = 1] hits the other alone: 2 / (2 + 1) = 2/3. 1[v != 2] hits both and one false
        # one: 4 / (2 + 3) = 4/5, the best. Levels 0, 1 and 2 are all taken: no constant.
        attributes_NA = np.array([[1], [0], [1], [0], [0], [0]])
        levels_ND = np.array([[0], [0], [1], [2], [2], [2]])

        result = fidelity(attributes_NA, levels_ND, num_levels=3)

        assert result.score == pytest.approx(0.8, abs=1e-15)
        assert result.matches.level_A.tolist() == [2]
        assert result.matches.polarity_A.tolist() == [False]
        # a = 1/3: 2a / (1 + a) = 1/2.
        assert result.floor == pytest.approx(0.5, abs=1e-15)

    def test_an_unused_level_gives_a_constant_candidate(self) -> None:
        # No sample takes level 2: 1[v != 2] is always true and scores 2 * 3 / (3 + 4).
        attributes_NA = np.array([[1], [1], [1], [0]])
        levels_ND = np.array([[0], [1], [1], [0]])

        with_unused_level = fidelity(attributes_NA, levels_ND, num_levels=3)
        without = fidelity(attributes_NA, levels_ND, num_levels=2)

        assert with_unused_level.score == with_unused_level.floor == pytest.approx(6 / 7)
        assert with_unused_level.matches.level_A.tolist() == [2]
        assert not with_unused_level.matches.polarity_A[0]
        # 1[v = 1] hits two of three and nothing else: 4 / (3 + 2).
        assert without.score == pytest.approx(0.8)
        assert without.score < without.floor

    def test_dense_attributes_have_a_high_floor(self) -> None:
        attributes_NA = np.repeat([1, 0], [68, 32])[:, None]
        levels_ND = np.zeros((100, 1), dtype=np.uint8)

        result = fidelity(attributes_NA, levels_ND, num_levels=2)

        assert result.score == result.floor == pytest.approx(1.36 / 1.68)

    def test_attributes_that_never_occur_are_left_out_and_counted(self) -> None:
        attributes_NA = np.array([[0, 1, 0], [0, 0, 0]])
        levels_ND = np.array([[1], [0]])

        result = fidelity(attributes_NA, levels_ND, num_levels=2)

        assert result.num_absent_attributes == 2
        assert result.score == 1.0
        assert result.matches.occurs_A.tolist() == [False, True, False]
        assert reports_an_absent_attribute(result, 0)
        assert np.isnan(result.matches.floor_A).tolist() == [True, False, True]

    def test_ties_go_to_lowest_feature_then_level_then_equals(self) -> None:
        column_N = np.array([1, 0, 1, 0])
        # With two levels 1[v = 0] and 1[v != 1] are one candidate, written in two ways.
        result = fidelity(
            np.stack([column_N, 1 - column_N], axis=1),
            np.stack([column_N, column_N], axis=1),
            num_levels=2,
        )

        assert result.matches.feature_A.tolist() == [0, 0]
        assert result.matches.level_A.tolist() == [0, 0]
        assert result.matches.polarity_A.tolist() == [False, True]

    def test_ties_across_blocks_of_features_go_to_the_lowest_feature(self) -> None:
        # 256 levels leave room for eight features in a block: 12 and 29 are in later ones.
        levels_ND = np.zeros((6, 30), dtype=np.uint8)
        levels_ND[[1, 4], 12] = levels_ND[[1, 4], 29] = 255
        attributes_NA = levels_ND[:, [12]] == 255

        matches = fidelity(attributes_NA, levels_ND, num_levels=256).matches

        # 1[v != 0] comes before 1[v = 255].
        assert (matches.feature_A[0], matches.level_A[0], matches.polarity_A[0]) == (12, 0, False)


class TestAgainstBruteForce:
    @against_scikit_learn
    @given(splits)
    def test_agrees_with_scikit_learn_on_every_pair(self, split: Split) -> None:
        attributes_NA, levels_ND = split
        expected = brute_force(attributes_NA, levels_ND, NUM_LEVELS)

        result = fidelity(attributes_NA, levels_ND, num_levels=NUM_LEVELS)

        matches = result.matches
        for index, best in enumerate(expected):
            if best is None:
                assert reports_an_absent_attribute(result, index)
                continue
            assert matches.f1_A[index] == pytest.approx(best[0], abs=1e-12)
            assert (
                matches.feature_A[index],
                matches.level_A[index],
                matches.polarity_A[index],
            ) == best[1:]
        assert result.num_absent_attributes == expected.count(None)
        assert result.score == pytest.approx(np.mean([best[0] for best in expected if best]))

    def test_a_match_in_the_last_block_of_features_is_found(self) -> None:
        generator = np.random.default_rng(3)
        levels_ND = generator.integers(0, 256, size=(3001, 30), dtype=np.uint8)
        noisy_N = (levels_ND[:, 29] == 7) ^ (generator.random(3001) < 0.0005)

        result = fidelity(noisy_N[:, None], levels_ND, num_levels=256)

        assert result.matches.feature_A[0] == 29
        assert result.matches.level_A[0] == 7
        assert 0.5 < result.score < 1.0
        assert result.score == pytest.approx(f1_score(noisy_N, levels_ND[:, 29] == 7), abs=1e-12)

    @against_scikit_learn
    @given(splits)
    def test_annotation_invariance_adds_nothing_to_both_polarities(self, split: Split) -> None:
        attributes_NA, levels_ND = split
        occurring = [attribute_N for attribute_N in attributes_NA.T if attribute_N.any()]
        u1_NC = np.concatenate([levels_ND == level for level in range(NUM_LEVELS)], axis=1)
        u_NC = np.concatenate([u1_NC, ~u1_NC], axis=1)

        eq3 = np.mean(
            [np.maximum(f1_of_each(f_N, u_NC), f1_of_each(f_N, ~u_NC)).max() for f_N in occurring]
        )

        result = fidelity(attributes_NA, levels_ND, num_levels=NUM_LEVELS)
        assert result.score == pytest.approx(eq3, abs=1e-12)


class TestInvariance:
    @any_speed
    @given(splits, st.randoms(use_true_random=False))
    def test_permuting_features_rows_or_flipping_levels_changes_no_score(
        self, split: Split, shuffler: random.Random
    ) -> None:
        attributes_NA, levels_ND = split
        rows = list(range(levels_ND.shape[0]))
        features = list(range(levels_ND.shape[1]))
        shuffler.shuffle(rows)
        shuffler.shuffle(features)
        before = fidelity(attributes_NA, levels_ND, num_levels=NUM_LEVELS)

        for changed in (
            (attributes_NA, levels_ND[:, features]),
            (attributes_NA, NUM_LEVELS - 1 - levels_ND),
            (attributes_NA[rows], levels_ND[rows]),
        ):
            after = fidelity(*changed, num_levels=NUM_LEVELS)
            assert after.score == before.score
            assert after.floor == before.floor
            np.testing.assert_array_equal(after.matches.f1_A, before.matches.f1_A)

    @any_speed
    @given(splits)
    def test_integer_types_do_not_matter(self, split: Split) -> None:
        attributes_NA, levels_ND = split
        wide = fidelity(attributes_NA, levels_ND, num_levels=NUM_LEVELS)
        narrow = fidelity(
            attributes_NA.astype(np.uint8), levels_ND.astype(np.int8), num_levels=NUM_LEVELS
        )
        assert narrow.score == wide.score

    def test_signed_bytes_work_with_more_levels_than_they_hold(self) -> None:
        levels_ND = np.array([[1], [100]], dtype=np.int8)
        assert fidelity(np.array([[0], [1]]), levels_ND, num_levels=256).score == 1.0


class TestFloorAndHeldout:
    @any_speed
    @given(splits)
    def test_score_is_at_least_the_floor_where_a_constant_candidate_exists(
        self, split: Split
    ) -> None:
        attributes_NA, levels_ND = split
        # One level more than the data take: 1[v != that level] is always true.
        result = fidelity(attributes_NA, levels_ND, num_levels=NUM_LEVELS + 1)
        occurs_A = result.matches.occurs_A
        assert (result.matches.f1_A[occurs_A] >= result.matches.floor_A[occurs_A]).all()
        assert 0.0 < result.floor <= result.score <= 1.0

    @against_scikit_learn
    @given(splits)
    def test_floor_is_the_f1_of_the_constant_true_feature(self, split: Split) -> None:
        attributes_NA, levels_ND = split
        result = fidelity(attributes_NA, levels_ND, num_levels=NUM_LEVELS)
        always_N = np.ones(len(attributes_NA), dtype=bool)
        expected = [f1_score(f_N, always_N) for f_N in attributes_NA.T if f_N.any()]
        assert result.floor == pytest.approx(np.mean(expected), abs=1e-12)

    @against_scikit_learn
    @given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
    def test_heldout_scores_the_candidate_chosen_elsewhere(self, here: int, there: int) -> None:
        attributes_NA, levels_ND = random_split(here)
        selection = random_split(there, num_samples=9)
        chosen = brute_force(*selection, NUM_LEVELS)

        result = fidelity(attributes_NA, levels_ND, num_levels=NUM_LEVELS, selection=selection)

        assert result.heldout is not None
        assert result.matches.heldout_f1_A is not None
        expected = []
        for attribute_N, candidate in zip(attributes_NA.T, chosen, strict=True):
            if not attribute_N.any():
                expected.append(np.nan)
            elif candidate is None:
                expected.append(0.0)
            else:
                _, feature, level, polarity = candidate
                expected.append(f1_score(attribute_N, (levels_ND[:, feature] == level) == polarity))
        np.testing.assert_allclose(result.matches.heldout_f1_A, expected, atol=1e-12)
        assert result.heldout == pytest.approx(np.nanmean(expected), abs=1e-12)
        assert 0.0 <= result.heldout <= result.score

    @any_speed
    @given(splits)
    def test_selecting_on_the_scored_split_itself_gives_the_score(self, split: Split) -> None:
        result = fidelity(*split, num_levels=NUM_LEVELS, selection=split)
        assert result.heldout == pytest.approx(result.score, abs=1e-15)
        assert result.num_unselected_attributes == 0

    def test_an_attribute_absent_from_the_selection_split_counts_as_zero(self) -> None:
        attributes_NA = np.array([[1, 1, 0], [0, 0, 0]])
        levels_ND = np.array([[1], [0]])
        selection = (np.array([[1, 0, 1], [0, 0, 0]]), levels_ND)

        result = fidelity(attributes_NA, levels_ND, num_levels=2, selection=selection)

        assert result.matches.heldout_f1_A is not None
        np.testing.assert_array_equal(result.matches.heldout_f1_A, [1.0, 0.0, np.nan])
        assert result.heldout == 0.5
        assert result.num_unselected_attributes == 1
        assert result.num_absent_attributes == 1

    def test_splits_that_share_no_attribute_have_a_heldout_of_zero(self) -> None:
        levels_ND = np.array([[1], [0]])
        selection = (np.array([[0, 1], [0, 0]]), levels_ND)
        result = fidelity(np.array([[1, 0], [0, 0]]), levels_ND, num_levels=2, selection=selection)
        assert result.heldout == 0.0
        assert result.num_unselected_attributes == 1

    def test_a_chance_match_does_not_survive_the_heldout_split(self) -> None:
        # Attributes independent of 300 features: the best of many looks good only where chosen.
        generator = np.random.default_rng(0)
        attributes_NA = generator.random((120, 20)) < 0.1
        levels_ND = generator.integers(0, 16, size=(120, 300))
        here, there = slice(0, 60), slice(60, 120)

        result = fidelity(
            attributes_NA[here],
            levels_ND[here],
            num_levels=16,
            selection=(attributes_NA[there], levels_ND[there]),
        )

        assert result.heldout is not None
        assert result.score > result.floor + 0.1
        assert result.heldout < result.floor + 0.05


class TestTable:
    def test_columns_and_nulls(self) -> None:
        attributes_NA = np.array([[1, 0], [0, 0], [0, 0], [1, 0]])
        levels_ND = np.array([[0, 2], [0, 1], [0, 0], [0, 2]])

        table = fidelity(
            attributes_NA, levels_ND, num_levels=4, selection=(attributes_NA, levels_ND)
        ).table(["striped", "spotted"])

        assert table.to_pylist() == [
            {
                "attribute": "striped",
                "prevalence": 0.5,
                "feature": 1,
                "level": 2,
                "polarity": True,
                "f1": 1.0,
                "heldout_f1": 1.0,
                "floor": pytest.approx(2 / 3),
            },
            {
                "attribute": "spotted",
                "prevalence": 0.0,
                "feature": None,
                "level": None,
                "polarity": None,
                "f1": None,
                "heldout_f1": None,
                "floor": None,
            },
        ]

    def test_schema_is_the_same_without_a_selection_split(self) -> None:
        split = random_split(0)
        names = list("abcde")
        with_selection = fidelity(*split, num_levels=NUM_LEVELS, selection=split).table(names)
        without = fidelity(*split, num_levels=NUM_LEVELS).table(names)
        assert without.schema == with_selection.schema
        assert without["heldout_f1"].null_count == 5

    def test_refuses_a_wrong_number_of_names(self) -> None:
        result = fidelity(*random_split(0), num_levels=NUM_LEVELS)
        with pytest.raises(DataError, match="2 names for 5 attributes"):
            result.table(["one", "two"])


class TestBadInput:
    @pytest.mark.parametrize(
        ("attributes_NA", "levels_ND", "message"),
        [
            (GOOD_ATTRIBUTES, np.zeros((3, 2), int), "2 and 3 rows"),
            (np.array([[2, 0], [0, 1]]), GOOD_LEVELS, "reach from 0 to 2"),
            (np.array([[0.5, 0.0], [0.0, 1.0]]), GOOD_LEVELS, "dtype float64"),
            (GOOD_ATTRIBUTES, np.array([[0, 1], [1, 2]]), r"\[0, 2\), but reach from 0 to 2"),
            (GOOD_ATTRIBUTES, np.array([[0, 1], [1, -1]]), "reach from -1 to 1"),
            (GOOD_ATTRIBUTES, np.array([[0.0, 1.0], [1.0, 1.0]]), "Quantize the features"),
            (np.zeros((0, 2), int), np.zeros((0, 2), int), r"shape is \(0, 2\)"),
            (GOOD_ATTRIBUTES, np.zeros((2, 0), int), r"shape is \(2, 0\)"),
            (np.zeros((2, 0), int), GOOD_LEVELS, r"shape is \(2, 0\)"),
            (np.array([1, 0]), GOOD_LEVELS, r"shape is \(2,\)"),
            (np.zeros((2, 2), int), GOOD_LEVELS, "all 2 are absent"),
        ],
    )
    def test_messages(
        self, attributes_NA: npt.NDArray[np.int64], levels_ND: Levels, message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            fidelity(attributes_NA, levels_ND, num_levels=2)
        good = (GOOD_ATTRIBUTES, GOOD_LEVELS)
        with pytest.raises(DataError):
            fidelity(*good, num_levels=2, selection=(attributes_NA, levels_ND))

    def test_the_selection_split_is_named(self) -> None:
        good = (GOOD_ATTRIBUTES, GOOD_LEVELS)
        with pytest.raises(DataError, match="of the selection split must lie"):
            fidelity(*good, num_levels=2, selection=(good[0], good[1] + 1))

    def test_splits_of_different_width(self) -> None:
        good = (GOOD_ATTRIBUTES, GOOD_LEVELS)
        with pytest.raises(DataError, match="same attributes and features"):
            fidelity(*good, num_levels=2, selection=(good[0], good[1][:, :1]))

    @pytest.mark.parametrize("num_levels", [1, 0, -4])
    def test_too_few_levels(self, num_levels: int) -> None:
        with pytest.raises(ConfigError, match=f"at least 2, but got {num_levels}"):
            fidelity(GOOD_ATTRIBUTES, GOOD_LEVELS, num_levels=num_levels)


def test_time_and_memory_at_the_size_of_the_cub_test_split() -> None:
    generator = np.random.default_rng(0)
    levels_ND = generator.integers(16, size=(5794, 1024), dtype=np.uint8)
    attributes_NA = generator.random((5794, 312)) < 0.1

    fidelity(attributes_NA[:9], levels_ND[:9], num_levels=16)  # Compiles.
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        fidelity(attributes_NA, levels_ND, num_levels=16)
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    fidelity(attributes_NA, levels_ND, num_levels=16)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # The budget is 2 s; twice that allows for a busy machine.
    assert min(seconds) < 4.0
    assert peak_bytes < 1e9
