"""Counterfactual pairs: two characters, one component, one hand."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import ImageOptions
from core.data import CounterfactualPairs, KanjiParams, counterfactual_pairs
from core.data.bundled.kanji import CHARACTERS, kanji_pairs
from core.data.bundled.kanji._attributes import Attribute, choose_columns, flags
from core.data.bundled.kanji._dataset import draw_one, read_characters
from core.data.bundled.kanji._drawing import Component, Drawing
from core.data.bundled.kanji._pairs import exchanged, exchanges
from core.errors import ConfigError
from core.fidelity import Counterfactuals, counterfactual_switch

PER_ATTRIBUTE = 4


@cache
def standard() -> tuple[Drawing, ...]:
    return tuple(drawings[0] for drawings in read_characters())


@cache
def columns() -> tuple[Attribute, ...]:
    return choose_columns(standard())


@cache
def pairs() -> CounterfactualPairs:
    return kanji_pairs(KanjiParams(image_size=24), pairs_per_attribute=PER_ATTRIBUTE)


def found_in(first: str, second: str) -> tuple[str, str] | None:
    places = list(CHARACTERS)
    return exchanged(*(standard()[places.index(x)].whole for x in (first, second)))


def leaf(element: str, place: str | None = None) -> Component:
    return Component(element=element, place=place, parts=(), num_loose_strokes=1)


def of(*parts: Component, element: str = "W", loose: int = 0) -> Component:
    return Component(element=element, place=None, parts=parts, num_loose_strokes=loose)


def test_characters_that_one_knows() -> None:
    assert found_in("持", "時") == ("扌", "日")
    assert found_in("時", "持") == ("日", "扌")
    # Inside a part: the field and the tree under herbs, beside a hand.
    assert found_in("問", "聞") == ("口", "耳")
    assert found_in("泊", "油") == ("白", "由")
    assert found_in("持", "泊") is None, "both parts differ"
    assert found_in("持", "等") is None, "beside is not below"
    assert found_in("持", "持") is None
    assert found_in("想", "箱") is None, "the same part in another place"


def test_the_innermost_difference_is_named_if_it_is_the_only_one() -> None:
    first = of(leaf("A"), of(leaf("B"), leaf("C"), element="D"))
    assert exchanged(first, of(leaf("A"), of(leaf("B"), leaf("X"), element="E"))) == ("C", "X")
    assert exchanged(first, of(leaf("A"), of(leaf("Y"), leaf("X"), element="E"))) == ("D", "E")
    one_more = of(leaf("B"), leaf("X"), element="E", loose=1)
    assert exchanged(first, of(leaf("A"), one_more)) == ("D", "E")


@pytest.mark.parametrize(
    "second",
    [
        of(leaf("A", "left"), leaf("B", "right")),
        of(leaf("A", "left"), leaf("X", "bottom")),
        of(leaf("A", "left"), leaf("X", "right"), loose=1),
        of(leaf("A", "left"), leaf("X", "right"), leaf("C")),
        of(leaf("Y", "left"), leaf("X", "right")),
        of(leaf("A", "left")),
        of(),
    ],
)
def test_whatever_else_differs_is_no_pair(second: Component) -> None:
    assert exchanged(of(leaf("A", "left"), leaf("B", "right")), second) is None


trees = st.recursive(
    st.builds(leaf, st.sampled_from("ABCD")),
    lambda parts: st.lists(parts, min_size=2, max_size=3).flatmap(
        lambda some: st.builds(lambda name: of(*some, element=name), st.sampled_from("EFGH"))
    ),
    max_leaves=8,
).filter(lambda tree: len(tree.parts) >= 2)


@settings(max_examples=60, deadline=None)
@given(tree=trees, data=st.data())
def test_one_leaf_put_in_the_place_of_another_is_found(
    tree: Component, data: st.DataObject
) -> None:
    def change(component: Component) -> tuple[Component, str]:
        if not component.parts:
            return leaf("X"), component.element
        index = data.draw(st.integers(0, len(component.parts) - 1))
        changed, lost = change(component.parts[index])
        parts = [*component.parts[:index], changed, *component.parts[index + 1 :]]
        # What holds another leaf is another character.
        return of(*parts, element=component.element + "'"), lost

    changed, lost = change(tree)
    assert exchanged(tree, changed) == (lost, "X")
    assert exchanged(changed, tree) == ("X", lost)


def test_pairs_are_found_both_ways() -> None:
    every = set(exchanges(standard()))
    assert len(every) > 500
    for before, after, removed, added in every:
        assert (after, before, added, removed) in every
        assert added not in {x.element for x in standard()[before].whole.parts}


def test_the_changed_component_is_in_one_of_both() -> None:
    rows = np.arange(len(pairs()))
    before_P = pairs().before.attributes_NA[rows, pairs().changed_P]
    after_P = pairs().after.attributes_NA[rows, pairs().changed_P]
    # A component can stand in two places: 路 has a mouth in both halves.
    assert (before_P | after_P).all()
    assert (before_P != after_P).mean() > 0.9
    adds_P = after_P & ~before_P
    assert 0.4 < adds_P.mean() < 0.5
    assert {columns()[column].kind for column in pairs().changed_P} == {"component"}
    counts = np.bincount(pairs().changed_P)
    assert set(counts) == {0, PER_ATTRIBUTE}
    assert np.count_nonzero(counts) >= 40


def test_labels_are_those_of_the_two_characters() -> None:
    table_KA = np.stack([flags(drawing, columns()) for drawing in standard()])
    assert np.array_equal(pairs().before.attributes_NA, table_KA[pairs().before.labels_N])
    assert np.array_equal(pairs().before.labels_N, pairs().after.labels_N)
    of_class = [set(map(tuple, table_KA[[x.before, x.after]])) for x in exchanges(standard())]
    for before, after in zip(
        pairs().before.attributes_NA, pairs().after.attributes_NA, strict=True
    ):
        assert {tuple(before), tuple(after)} in of_class
    assert (pairs().before.attributes_NA != pairs().after.attributes_NA).any(axis=1).all()


def test_both_images_are_of_one_hand() -> None:
    before, after = pairs().before.images_NCHW, pairs().after.images_NCHW
    # Paper and grain are the same to the pixel where neither has ink: in the corners.
    corners = np.s_[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (before[corners] == after[corners]).mean() > 0.98
    assert (before != after).reshape(len(pairs()), -1).any(axis=1).all()
    # More alike than the same character by two hands, for the most part.
    apart = np.abs(before.astype(int) - after).mean(axis=(1, 2, 3))
    two_hands = np.abs(before.astype(int) - np.roll(before, 1, axis=0)).mean(axis=(1, 2, 3))
    assert np.median(apart) < 0.8 * np.median(two_hands)


def test_hands_are_of_no_image_of_the_dataset() -> None:
    params = KanjiParams(image_size=24)
    for row in range(0, len(pairs()), 20):
        label = int(pairs().before.labels_N[row])
        own = [
            draw_one(params, standard()[label : label + 1], label, index)[0]
            for index in range(params.images_per_character + 1)
        ]
        same = [np.array_equal(image, pairs().before.images_NCHW[row]) for image in own]
        assert not any(same[:-1])
        assert same[-1], "the first hand after those of the dataset"


def test_features_that_are_the_attributes_follow_every_change() -> None:
    table_KA = np.stack([flags(drawing, columns()) for drawing in standard()])
    before_PA, after_PA = pairs().before.attributes_NA, pairs().after.attributes_NA
    counterfactuals = Counterfactuals(
        before_attributes_PA=before_PA,
        after_attributes_PA=after_PA,
        before_levels_PD=before_PA.astype(np.uint8),
        after_levels_PD=after_PA.astype(np.uint8),
    )
    levels_KA = table_KA.astype(np.uint8)
    assert counterfactual_switch(counterfactuals, table_KA, levels_KA, num_levels=2) == 1


def test_more_pairs_keep_the_first_ones() -> None:
    params = KanjiParams(image_size=24)
    few = kanji_pairs(params, pairs_per_attribute=2)
    kept_P = np.arange(len(pairs())) % PER_ATTRIBUTE < 2
    assert np.array_equal(pairs().after.images_NCHW[kept_P], few.after.images_NCHW)


def test_by_name_they_have_the_size_of_the_datasets_and_are_exchanges_either_way() -> None:
    found = [
        counterfactual_pairs(
            "kanji",
            images=ImageOptions(image_size=16),
            pairs_per_attribute=1,
            exchanges=exchanges,
        )
        for exchanges in (False, True)
    ]
    assert found[0].before.images.shape == found[0].after.images.shape == (1, 16, 16)
    assert np.array_equal(found[0].after.images_NCHW, found[1].after.images_NCHW)
    with pytest.raises(ConfigError, match="at least 1, but got 0"):
        counterfactual_pairs("kanji", pairs_per_attribute=0)
