"""Controls: permutations, one-hot classes, and supervised predictors against scikit-learn."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from core.errors import ConfigError, DataError
from core.fidelity import (
    class_detector,
    controls,
    fidelity,
    shuffled,
    shuffled_within_classes,
    supervised_ceiling,
)
from core.fidelity._probe import STRENGTH, Probes
from core.fidelity._shuffled import _permuted
from core.fidelity._stump import Stumps
from tests.core.fidelity.problems import (
    Problem,
    brute,
    f1,
    pairs_of_splits,
    problems,
    random_problem,
    two_splits,
)


def class_data(seed: int = 0, *, num_samples: int = 600) -> Problem:
    """Attributes of which 0 belongs to the class, 1 to the image, and 2 to neither."""
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, 4, size=num_samples)
    own_N = rng.random(num_samples) < 0.3
    noise_N = rng.random(num_samples) < 0.3
    attributes_NA = np.stack([labels_N == 1, own_N, noise_N], axis=1)
    levels_ND = np.stack([(labels_N == 1) * 2, own_N * 3, rng.integers(0, 4, num_samples)], axis=1)
    return Problem(attributes_NA, levels_ND, labels_N, 4)


class TestShuffled:
    def test_images_swap_whole_rows_and_classes_keep_theirs(self) -> None:
        problem = random_problem(0, num_samples=50, num_classes=3)
        for labels_N in (np.zeros(50, dtype=np.int64), problem.labels_N):
            permuted_NA = _permuted(problem.attributes_NA, labels_N, [0])
            assert not np.array_equal(permuted_NA, problem.attributes_NA)
            for label in np.unique(labels_N):
                rows = labels_N == label
                before = Counter(map(tuple, problem.attributes_NA[rows].tolist()))
                assert Counter(map(tuple, permuted_NA[rows].tolist())) == before

    def test_every_place_is_equally_likely(self) -> None:
        flags_NA = np.eye(3, dtype=np.bool_)
        labels_N = np.zeros(3, dtype=np.int64)
        drawn = [_permuted(flags_NA, labels_N, [seed]).argmax(axis=1) for seed in range(1800)]
        counts = Counter(map(tuple, np.array(drawn).tolist()))
        assert len(counts) == 6
        # Six standard deviations of 1800 draws.
        assert max(abs(count - 300) for count in counts.values()) < 6 * np.sqrt(1800 * 5 / 36)

    def test_what_images_and_classes_tell_is_lost_and_the_floor_stays(self) -> None:
        problem = class_data()
        split = (problem.attributes_NA, problem.levels_ND)
        true = fidelity(*split, num_levels=4)

        chance = shuffled(*split, num_levels=4)
        of_class = shuffled_within_classes(*split, problem.labels_N, num_levels=4)

        assert true.matches.f1_A[:2].tolist() == [1.0, 1.0]
        assert chance.floor == of_class.floor == true.floor
        assert (chance.matches.f1_A < chance.matches.floor_A + 0.1).all()
        assert of_class.matches.f1_A[0] == 1.0
        assert of_class.matches.f1_A[1] < of_class.matches.floor_A[1] + 0.1

    def test_one_seed_is_one_permutation_and_another_another(self) -> None:
        problem, other = class_data(num_samples=40), class_data(1, num_samples=40)
        split = (problem.attributes_NA, problem.levels_ND)
        selection = (other.attributes_NA, other.levels_ND)
        first, again, second = (
            shuffled(*split, num_levels=4, selection=selection, seed=seed) for seed in (0, 0, 1)
        )
        assert (first.score, first.heldout) == (again.score, again.heldout)
        assert first.score != second.score
        assert first.heldout != second.heldout

    def test_the_selection_split_is_permuted_too(self) -> None:
        problem, other = class_data(), class_data(1)
        found = shuffled_within_classes(
            *problem[:3],
            num_levels=4,
            selection=(other.attributes_NA, other.levels_ND, other.labels_N),
        )
        heldout_A = found.matches.heldout_f1_A
        assert heldout_A is not None
        assert heldout_A[0] == 1.0
        # With a choice on true attributes the second match would be the image's own feature.
        assert heldout_A[1] < 0.5


class TestClassDetector:
    @brute
    @given(problems)
    def test_agrees_with_a_loop_over_classes(self, problem: Problem) -> None:
        num_classes = int(problem.labels_N.max()) + 1
        expected = []
        for truth_N in problem.attributes_NA.T:
            truth = truth_N.tolist()
            if not any(truth):
                continue
            detectors = [(problem.labels_N == label).tolist() for label in range(num_classes)]
            said = [*detectors, *([not x for x in column] for column in detectors)]
            constants = [[True] * len(truth)] if problem.num_levels > 2 else []
            expected.append(max(f1(truth, column) for column in [*said, *constants]))

        found = class_detector(
            problem.attributes_NA, problem.labels_N, num_levels=problem.num_levels
        )

        assert found.score == pytest.approx(np.mean(expected), abs=1e-12)

    def test_a_class_of_the_selection_split_alone_has_a_feature_too(self) -> None:
        attributes_NA = np.array([[1], [0]])
        found = class_detector(
            attributes_NA,
            np.array([0, 1]),
            num_levels=2,
            selection=(attributes_NA, np.array([2, 1])),
        )
        # Chosen there: "class 1 not", which comes first. It holds here as well.
        assert found.heldout == 1.0


class TestCeiling:
    @pytest.mark.parametrize("num_features", [3, 40])
    def test_probes_are_those_of_scikit_learn(self, num_features: int) -> None:
        rng = np.random.default_rng(num_features)
        levels_ND = rng.integers(0, 16, size=(300, num_features))
        levels_ND[:, 0] = 7  # constant
        levels_ND[:, 2] = levels_ND[:, 1]  # and twice the same
        score_N = levels_ND[:, 1] + rng.normal(0, 4, size=300)
        flags_NA = np.stack([score_N > 8, score_N > 18, rng.random(300) < 0.5], axis=1)
        assert 0 < flags_NA[:, 1].mean() < 0.05

        probes = Probes(flags_NA, levels_ND)

        spread_D = levels_ND.std(axis=0)
        x_ND = (levels_ND - levels_ND.mean(axis=0)) / np.where(spread_D > 0, spread_D, 1)
        for attribute, flags_N in enumerate(flags_NA.T):
            oracle = LogisticRegression(C=STRENGTH, tol=1e-8, max_iter=1000).fit(x_ND, flags_N)
            logits_N = oracle.decision_function(x_ND)
            np.testing.assert_allclose(
                probes.logits(levels_ND)[:, attribute], logits_N, atol=0.01 * logits_N.std()
            )

    def test_probes_are_cut_where_their_f1_is_best(self) -> None:
        problem = random_problem(3, num_samples=40, num_features=2)
        flags_NA = problem.attributes_NA[:, [1, 2, 3, 5]]
        probes = Probes(flags_NA, problem.levels_ND)
        logits_NA = probes.logits(problem.levels_ND)
        said_NA = probes.predict(problem.levels_ND)
        for attribute, truth_N in enumerate(flags_NA.T):
            best = max(
                f1_score(truth_N, logits_NA[:, attribute] >= cut)
                for cut in logits_NA[:, attribute].tolist()
            )
            assert f1_score(truth_N, said_NA[:, attribute]) == pytest.approx(best, abs=1e-12)

    @brute
    @given(pairs_of_splits)
    def test_stumps_are_the_best_of_every_threshold(self, splits: tuple[Problem, Problem]) -> None:
        here, there = splits
        occurs_A = there.attributes_NA.any(axis=0)
        flags_NA = there.attributes_NA[:, occurs_A]

        said_NA = Stumps(flags_NA, there.levels_ND, there.num_levels).predict(here.levels_ND)

        for attribute, truth_N in enumerate(flags_NA.T):
            best_f1, best_said = -1.0, np.zeros(0, dtype=np.bool_)
            for feature in range(there.levels_ND.shape[1]):
                for threshold in range(there.num_levels):
                    for is_at_least in (True, False):
                        over_N = there.levels_ND[:, feature] >= threshold
                        score = f1(truth_N.tolist(), (over_N == is_at_least).tolist())
                        if score > best_f1 + 1e-12:
                            best_f1 = score
                            over_N = here.levels_ND[:, feature] >= threshold
                            best_said = over_N == is_at_least
            assert np.array_equal(said_NA[:, attribute], best_said)

    def test_nothing_is_fitted_to_the_scored_split(self) -> None:
        # Attributes independent of many features: train is learnt by heart, test is not.
        rng = np.random.default_rng(0)
        levels_ND = rng.integers(0, 16, size=(200, 150))
        attributes_NA = rng.random((200, 8)) < 0.2
        train, test = slice(0, 100), slice(100, 200)
        own, other = (
            supervised_ceiling(
                attributes_NA[scored],
                levels_ND[scored],
                num_levels=16,
                train=(attributes_NA[train], levels_ND[train]),
            )
            for scored in (train, test)
        )
        floor = fidelity(attributes_NA[test], levels_ND[test], num_levels=16).floor
        assert own.probe_f1 > 0.9
        assert own.stump_f1 > floor + 0.1
        assert other.probe_f1 < floor + 0.05
        assert other.stump_f1 < floor + 0.05

    def test_it_is_above_a_single_level_where_features_must_be_joined(self) -> None:
        rng = np.random.default_rng(0)
        levels_ND = rng.integers(0, 8, size=(500, 5))
        attributes_NA = (levels_ND.sum(axis=1) > 20)[:, None]
        split = (attributes_NA, levels_ND)
        found = supervised_ceiling(*split, num_levels=8, train=split)
        score = fidelity(*split, num_levels=8).score
        assert found.probe_f1 > found.stump_f1 + 0.1 > score + 0.1

    def test_attributes_that_never_vary_in_train(self) -> None:
        levels_ND = np.array([[0], [1], [1]])
        train = (np.array([[0, 1, 0], [0, 1, 1], [0, 1, 1]]), levels_ND)
        found = supervised_ceiling(
            np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]]), levels_ND, num_levels=2, train=train
        )
        # Never: 0. Always: 4 / 5. The third is the feature: 1.
        assert found.probe_f1 == found.stump_f1 == pytest.approx((0 + 4 / 5 + 1) / 3)

    def test_nothing_varies_in_train(self) -> None:
        levels_ND = np.array([[0], [1]])
        found = supervised_ceiling(
            np.array([[1], [0]]), levels_ND, num_levels=2, train=(np.ones((2, 1), int), levels_ND)
        )
        assert found.probe_f1 == found.stump_f1 == pytest.approx(2 / 3)

    def test_the_training_split_is_named(self) -> None:
        split = (np.array([[1], [0]]), np.array([[1], [0]]))
        with pytest.raises(DataError, match="Levels of the training split must lie"):
            supervised_ceiling(*split, num_levels=2, train=(split[0], split[1] + 1))
        with pytest.raises(DataError, match=r"the training split \(1,\) and \(2,\)"):
            supervised_ceiling(*split, num_levels=2, train=(split[0], np.zeros((2, 2), int)))


class TestAllControls:
    def test_scalars(self) -> None:
        here, there = two_splits(0, num_samples=30)
        split = (here.attributes_NA, here.levels_ND, here.labels_N)
        selection = (there.attributes_NA, there.levels_ND, there.labels_N)
        train = (there.attributes_NA, there.levels_ND)

        found = controls(*split, num_levels=4, selection=selection, train=train, seed=3)

        assert dict(found.scalars()) == {
            "shuffled_score": shuffled(*split[:2], num_levels=4, seed=3).score,
            "shuffled_heldout": shuffled(*split[:2], num_levels=4, selection=train, seed=3).heldout,
            "shuffled_within_classes_score": shuffled_within_classes(
                *split, num_levels=4, seed=3
            ).score,
            "shuffled_within_classes_heldout": shuffled_within_classes(
                *split, num_levels=4, selection=selection, seed=3
            ).heldout,
            "class_detector_score": class_detector(split[0], split[2], num_levels=4).score,
            "class_detector_heldout": class_detector(
                split[0], split[2], num_levels=4, selection=(selection[0], selection[2])
            ).heldout,
            "probe_f1": supervised_ceiling(*split[:2], num_levels=4, train=train).probe_f1,
            "stump_f1": supervised_ceiling(*split[:2], num_levels=4, train=train).stump_f1,
        }
        alone = controls(*split, num_levels=4).scalars()
        assert list(alone) == [
            "shuffled_score",
            "shuffled_within_classes_score",
            "class_detector_score",
        ]

    def test_messages(self) -> None:
        here, there = two_splits(0, num_samples=30)
        with pytest.raises(DataError, match="Labels of this split must be integers, one for each"):
            controls(*here[:2], here.labels_N[1:], num_levels=4)
        with pytest.raises(DataError, match="Labels of the selection split must be counted from 0"):
            controls(
                *here[:3],
                num_levels=4,
                selection=(there.attributes_NA, there.levels_ND, there.labels_N - 1),
            )
        with pytest.raises(ConfigError, match="at least 2, but got 1"):
            controls(*here[:3], num_levels=1)
        with pytest.raises(DataError, match="all 6 are absent"):
            controls(here.attributes_NA & False, *here[1:3], num_levels=4)
