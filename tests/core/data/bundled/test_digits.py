"""The digits: their table, their pixels, their fingerprint."""

import numpy as np
import pytest
from sklearn.datasets import load_digits as load_sklearn_digits

from core.data.bundled.digits import CLASS_ATTRIBUTES_KA, DIGIT_ATTRIBUTES, load_digits
from core.errors import ConfigError
from tests.core.data.helpers import in_new_process, indistinct_columns, output_of

# numpy 2.4.6, scikit-learn 1.9.1, split seed 0; made by
# python -c "from core.data import load_dataset; print(load_dataset('digits').fingerprint)"
FINGERPRINT = "162785f5f371c533871d7074c299cd50df678c23baec7d04eda29d7ace69203d"


def test_no_column_repeats_or_complements_another() -> None:
    assert list(indistinct_columns(CLASS_ATTRIBUTES_KA)) == []


def test_every_column_holds_for_some_digits_but_under_four_in_ten() -> None:
    counts = CLASS_ATTRIBUTES_KA.sum(axis=0)
    assert counts.min() >= 1
    assert counts.max() < 4


def test_prevalence_stays_under_two_fifths_in_every_split() -> None:
    for _, split in load_digits().splits():
        assert split.attributes_NA.mean(axis=0).max() < 0.4


def test_every_digit_has_a_row_of_its_own() -> None:
    assert len(np.unique(CLASS_ATTRIBUTES_KA, axis=0)) == 10


def test_every_attribute_is_defined_in_one_sentence() -> None:
    definitions = [attribute.definition for attribute in DIGIT_ATTRIBUTES]
    assert len(set(definitions)) == len(definitions)
    for definition in definitions:
        assert definition.endswith(".")
        assert definition.count(". ") == 0


def test_rows_of_the_table_worked_out_by_hand() -> None:
    names = [attribute.name for attribute in DIGIT_ATTRIBUTES]

    def has(digit: int) -> set[str]:
        return {names[column] for column in np.flatnonzero(CLASS_ATTRIBUTES_KA[digit])}

    assert has(0) == {"one closed loop", "no free end"}
    assert has(4) == {
        "open top",
        "bar across the middle",
        "upright stroke",
        "straight strokes only",
    }


def test_pixels_are_scikit_learns_and_reach_from_0_to_255() -> None:
    dataset = load_digits()
    assert dataset.image_shape == (1, 8, 8)
    restored = []
    for _, split in dataset.splits():
        assert np.array_equal(split.attributes_NA, CLASS_ATTRIBUTES_KA[split.labels_N])
        ink_N64 = np.rint(split.images_NCHW.reshape(len(split), 64) / 255 * 16)
        restored.append(np.column_stack([ink_N64, split.labels_N]))
    raw = load_sklearn_digits()
    expected = np.column_stack([raw.data, raw.target])
    assert sorted(map(tuple, np.concatenate(restored))) == sorted(map(tuple, expected))
    assert dataset.train.images_NCHW.max() == 255


def test_splits_have_the_stated_shares() -> None:
    sizes = {name: len(split) for name, split in load_digits().splits()}
    assert sum(sizes.values()) == 1797
    assert sizes["test"] == pytest.approx(0.2 * 1797, abs=5)
    assert sizes["minival"] == pytest.approx(0.1 * 1797, abs=5)


def test_split_seed_moves_minival_alone() -> None:
    first, other = load_digits(split_seed=0), load_digits(split_seed=1)
    assert np.array_equal(first.test.images_NCHW, other.test.images_NCHW)
    assert not np.array_equal(first.minival.images_NCHW, other.minival.images_NCHW)
    assert first.fingerprint != other.fingerprint
    with pytest.raises(ConfigError, match="`split_seed` must be at least 0, but got -2"):
        load_digits(split_seed=-2)


def test_fingerprint_is_golden_here_and_in_a_new_process() -> None:
    code = "from core.data import load_dataset; print(load_dataset('digits').fingerprint)"
    assert load_digits().fingerprint == FINGERPRINT
    assert output_of(in_new_process(code)) == FINGERPRINT
