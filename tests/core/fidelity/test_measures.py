"""All measures in one call: what is chosen where, and what does not exist."""

from dataclasses import fields

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from core.fidelity import (
    Counterfactuals,
    Measures,
    chance_corrected_f1,
    class_independence,
    coalitions,
    counterfactual_switch,
    distinct_features,
    fidelity,
    matched_predictions,
    matthews_correlation,
    measures,
    one_to_one,
    sldd_alignment,
    within_class_gain,
)
from tests.core.fidelity.problems import two_splits

HERE, THERE = two_splits(3, num_samples=40, num_features=6)
SELECTION = (THERE.attributes_NA, THERE.levels_ND)


def pairs() -> Counterfactuals:
    before_PA = np.zeros((2, 6), dtype=np.bool_)
    return Counterfactuals(
        before_attributes_PA=before_PA,
        after_attributes_PA=before_PA ^ np.eye(6, dtype=np.bool_)[4:],
        before_levels_PD=HERE.levels_ND[:2],
        after_levels_PD=HERE.levels_ND[2:4],
    )


def test_each_is_what_its_own_function_says_with_choices_on_the_selection_split() -> None:
    found = measures(
        *HERE[:3], num_levels=4, selection=SELECTION, train=SELECTION, counterfactuals=pairs()
    )

    split = (HERE.attributes_NA, HERE.levels_ND)
    said_NA = matched_predictions(*split, num_levels=4, selection=SELECTION)
    coalition = coalitions(*split, num_levels=4, selection=SELECTION)
    occurs_A = HERE.attributes_NA.any(axis=0)
    assert found == Measures(
        one_to_one=one_to_one(*split, num_levels=4, selection=SELECTION).score,
        distinct_features=distinct_features(*split, num_levels=4),
        coalition_f1=coalition.score,
        coalition_size=float(coalition.size_A[occurs_A].mean()),
        chance_corrected_f1=chance_corrected_f1(HERE.attributes_NA, said_NA),
        matthews_correlation=matthews_correlation(HERE.attributes_NA, said_NA),
        class_independence=class_independence(HERE.levels_ND, HERE.labels_N),
        within_class_gain=within_class_gain(HERE.attributes_NA, said_NA, HERE.labels_N),
        counterfactual_switch=counterfactual_switch(pairs(), *SELECTION, num_levels=4),
        sldd_alignment=sldd_alignment(*SELECTION, num_levels=4),
    )
    assert None not in [getattr(found, field.name) for field in fields(found)]


def test_without_a_selection_split_choices_are_made_where_they_are_scored() -> None:
    split = (HERE.attributes_NA, HERE.levels_ND)
    assert measures(*HERE[:3], num_levels=4) == measures(*HERE[:3], num_levels=4, selection=split)
    assert measures(*HERE[:3], num_levels=4) != measures(
        *HERE[:3], num_levels=4, selection=SELECTION
    )


def test_scalars_have_plain_names_and_leave_out_what_does_not_exist() -> None:
    scalars = measures(*HERE[:3], num_levels=4, selection=SELECTION).scalars()
    assert list(scalars) == [
        "one_to_one",
        "distinct_features",
        "coalition_f1",
        "coalition_size",
        "chance_corrected_f1",
        "matthews_correlation",
        "class_independence",
        "within_class_gain",
    ]
    assert all(type(value) is float for value in scalars.values())


def test_data_without_attributes_has_class_independence_alone() -> None:
    none_NA = np.zeros((len(HERE.levels_ND), 0), dtype=np.bool_)
    scalars = measures(none_NA, HERE.levels_ND, HERE.labels_N, num_levels=4).scalars()
    assert scalars == {"class_independence": class_independence(HERE.levels_ND, HERE.labels_N)}


def test_two_levels_and_one_class_and_one_constant_feature() -> None:
    attributes_NA = np.array([[1, 1], [0, 1], [0, 1]])
    found = measures(attributes_NA, np.array([[1], [1], [1]]), np.zeros(3, int), num_levels=2)
    # The floor: 2 / (1 + 3), and 1 for what is always there.
    assert found.one_to_one == pytest.approx(1 / 2)  # One feature, for the second.
    assert found.coalition_f1 == pytest.approx((1 / 2 + 1) / 2)
    assert found.chance_corrected_f1 == pytest.approx(0)
    assert found.matthews_correlation == 0
    assert found.within_class_gain == pytest.approx(0)
    assert found.class_independence is None
    assert found.distinct_features == 1


def test_attributes_that_are_always_there() -> None:
    found = measures(np.ones((3, 2), int), np.array([[1], [0], [1]]), np.arange(3), num_levels=3)
    assert found.coalition_f1 == 1.0
    assert found.chance_corrected_f1 is None
    assert found.matthews_correlation is None
    assert found.within_class_gain is None


def test_perfect_features_have_perfect_measures() -> None:
    rng = np.random.default_rng(0)
    attributes_NA = rng.random((80, 5)) < 0.3
    found = measures(attributes_NA, attributes_NA.astype(np.uint8), np.arange(80) % 4, num_levels=2)
    assert found.one_to_one == found.coalition_f1 == found.chance_corrected_f1 == 1
    assert found.matthews_correlation == pytest.approx(1, abs=1e-12)
    assert found.distinct_features == 5
    assert found.coalition_size == 1


def test_chance_does_not_survive_the_selection_split() -> None:
    rng = np.random.default_rng(0)
    attributes_NA = rng.random((200, 20)) < 0.1
    levels_ND = rng.integers(0, 16, size=(200, 200))
    labels_N = rng.integers(0, 5, size=200)
    here, there = slice(0, 100), slice(100, 200)

    alone = measures(attributes_NA[here], levels_ND[here], labels_N[here], num_levels=16)
    found = measures(
        attributes_NA[here],
        levels_ND[here],
        labels_N[here],
        num_levels=16,
        selection=(attributes_NA[there], levels_ND[there]),
    )

    floor = fidelity(attributes_NA[here], levels_ND[here], num_levels=16).floor
    for name in ("one_to_one", "coalition_f1"):
        assert getattr(alone, name) > floor + 0.1
        assert getattr(found, name) < floor + 0.02
    assert alone.matthews_correlation is not None
    assert found.matthews_correlation is not None
    assert alone.matthews_correlation > 0.2
    assert abs(found.matthews_correlation) < 0.05


def test_messages() -> None:
    split = HERE[:3]
    empty = (HERE.attributes_NA[:0], HERE.levels_ND[:0])
    with pytest.raises(DataError, match=r"Attributes of the selection split.*shape is \(0, 6\)"):
        measures(*split, num_levels=4, selection=empty)
    with pytest.raises(DataError, match="occur in the selection split, but all 6 are absent"):
        measures(*split, num_levels=4, selection=(HERE.attributes_NA & False, HERE.levels_ND))
    with pytest.raises(DataError, match="same attributes and features"):
        measures(*split, num_levels=4, selection=(THERE.attributes_NA, THERE.levels_ND[:, 1:]))
    with pytest.raises(DataError, match="one for each of 40 samples"):
        measures(*split[:2], HERE.labels_N[1:], num_levels=4)
    with pytest.raises(ConfigError, match="at least 2, but got 1"):
        measures(*split, num_levels=1)
    with pytest.raises(DataError, match=r"lie in \[0, 2\)"):
        measures(*split, num_levels=2)
