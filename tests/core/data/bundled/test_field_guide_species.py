"""The species table: distinct, sparse, consistent, and every mark can be seen."""

import numpy as np
import pytest

from core.data.bundled.field_guide import ATTRIBUTES, SPECIES, SPECIES_ATTRIBUTES_KA, Part, Species
from tests.core.data.helpers import indistinct_columns

TWINS = [
    ("ember finch", "ash finch", {"has_crown_color::red"}),
    ("reed lancer", "marsh lancer", {"has_throat_color::black"}),
    ("hazel creeper", "bramble creeper", {"has_head_pattern::eye_ring"}),
    ("pine shrike", "copse shrike", {"has_belly_pattern::plain", "has_belly_pattern::spotted"}),
    ("onyx ibis", "opal ibis", {"has_leg_color::red", "has_leg_color::yellow"}),
]


def test_there_are_enough_species_and_attributes_and_all_names_differ() -> None:
    assert len({species.name for species in SPECIES}) == len(SPECIES) == 24
    assert len({attribute.name for attribute in ATTRIBUTES}) == len(ATTRIBUTES) == 41


def test_no_column_repeats_or_complements_another() -> None:
    assert list(indistinct_columns(SPECIES_ATTRIBUTES_KA)) == []


def test_attributes_are_shared_and_sparse() -> None:
    counts = SPECIES_ATTRIBUTES_KA.sum(axis=0)
    assert counts.min() >= 3
    assert counts.max() < 0.4 * len(SPECIES)
    assert 0.1 < SPECIES_ATTRIBUTES_KA.mean() < 0.3


def test_near_twins_differ_where_stated_and_all_others_widely() -> None:
    names = [species.name for species in SPECIES]
    twins = {}
    for first, second, expected in TWINS:
        pair = names.index(first), names.index(second)
        differs_A = SPECIES_ATTRIBUTES_KA[pair[0]] != SPECIES_ATTRIBUTES_KA[pair[1]]
        assert {ATTRIBUTES[column].name for column in np.flatnonzero(differs_A)} == expected
        twins[pair] = expected
    for i in range(len(SPECIES)):
        for j in range(i + 1, len(SPECIES)):
            distance = np.count_nonzero(SPECIES_ATTRIBUTES_KA[i] != SPECIES_ATTRIBUTES_KA[j])
            assert (i, j) in twins or distance >= 8


@pytest.mark.parametrize("species", SPECIES, ids=lambda species: species.name)
def test_no_mark_is_lost_against_what_lies_beneath(species: Species) -> None:
    if species.back_color == "black":
        # A black head is a black crown, and a mask on it cannot be seen.
        assert species.crown_color != "as_back"
        assert species.head_pattern != "mask"
    if species.head_pattern == "eyebrow":
        assert species.crown_color != "white"


def test_every_attribute_names_a_mark_and_says_what_it_means() -> None:
    assert {attribute.part for attribute in ATTRIBUTES} == {*Part, None}
    for attribute in ATTRIBUTES:
        assert attribute.name == f"has_{attribute.mark}::{attribute.value}"
        assert attribute.definition.endswith(".")
        assert attribute.definition.count(". ") == 0
    assert len({attribute.definition for attribute in ATTRIBUTES}) == len(ATTRIBUTES)
