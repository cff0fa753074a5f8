"""The columns: how many, how frequent, how distinct, and true of characters that one knows."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data.bundled.kanji import CHARACTERS
from core.data.bundled.kanji._attributes import Attribute, attributes_of, choose_columns, flags
from core.data.bundled.kanji._characters import COMPONENT_NAMES
from core.data.bundled.kanji._dataset import read_characters
from core.data.bundled.kanji._drawing import Drawing
from tests.core.data.helpers import indistinct_columns


@cache
def standard() -> tuple[Drawing, ...]:
    return tuple(drawings[0] for drawings in read_characters())


@cache
def columns() -> tuple[Attribute, ...]:
    return choose_columns(standard())


@cache
def table_KA() -> npt.NDArray[np.bool_]:
    return np.stack([flags(drawing, columns()) for drawing in standard()])


def names_of(meaning: str) -> set[str]:
    row = list(CHARACTERS.values()).index(meaning)
    return {columns()[column].name for column in np.flatnonzero(table_KA()[row])}


def test_as_many_columns_as_were_asked_for_all_rare() -> None:
    assert 60 <= len(columns()) <= 150
    prevalence_A = table_KA().mean(axis=0)
    assert prevalence_A.min() >= 0.02
    assert prevalence_A.max() <= 0.4
    assert {attribute.kind for attribute in columns()} == {
        *("component", "left", "right", "top", "bottom", "layout", "stroke", "strokes")
    }


def test_no_two_columns_say_the_same() -> None:
    assert list(indistinct_columns(table_KA())) == []
    names = [attribute.name for attribute in columns()]
    assert len(set(names)) == len(names)


def test_names_can_be_printed_in_every_font() -> None:
    assert all(attribute.name.isascii() for attribute in columns())
    assert all(meaning.isascii() for meaning in CHARACTERS.values())
    assert len(set(CHARACTERS.values())) == len(CHARACTERS) == 120
    of_component = {x.value for x in columns() if x.kind not in ("layout", "stroke", "strokes")}
    assert of_component <= set(COMPONENT_NAMES), "each has an English name"
    assert len(set(COMPONENT_NAMES.values())) == len(COMPONENT_NAMES)


def test_characters_that_one_knows() -> None:
    assert names_of("time") == {
        *("component::sun", "component::temple", "component::earth", "component::inch"),
        *("left::sun", "right::temple", "right::earth", "right::inch", "stroke::SG"),
    }
    assert {"component::gate", "strokes::12 or more", "stroke::HZG"} <= names_of("hear")
    assert {"layout::stacked", "component::heart", "top::herb"} & names_of("loyalty") == {
        *("layout::stacked", "component::heart")
    }
    assert {"layout::hung", "component::mouth"} <= names_of("shop")
    assert {"layout::carried", "component::road"} <= names_of("return")
    assert "strokes::up to 7" in names_of("attach")


def test_a_tree_of_attributes_could_tell_all_characters_but_two() -> None:
    rows, counts = np.unique(table_KA(), axis=0, return_counts=True)
    assert len(rows) >= len(CHARACTERS) - 1
    assert counts.max() <= 2


def test_the_outermost_of_components_that_never_part_is_kept() -> None:
    values = {attribute.value for attribute in columns() if attribute.kind == "component"}
    # A lattice is always drawn with what it is made of.
    assert "冓" in values
    assert not {"再", "三"} & values


def test_a_drawing_has_what_its_strokes_and_parts_say() -> None:
    for drawing in standard():
        had = set(attributes_of(drawing))
        assert {x.value for x in had if x.kind == "stroke"} == set(drawing.stroke_kinds)
        inside = {x.value for x in had if x.kind in ("left", "right", "top", "bottom")}
        assert inside <= {x.value for x in had if x.kind == "component"}
        assert drawing.whole.element not in {x.value for x in had}


def test_the_documents_list_every_column_and_every_character() -> None:
    page = (Path(__file__).parents[4] / "docs" / "kanji.md").read_text(encoding="utf-8")
    counts_A = table_KA().sum(axis=0)
    for attribute, count in zip(columns(), counts_A.tolist(), strict=True):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{attribute.kind}::`")]
        values = row.split("|")[-2].strip().split(", ")
        name = attribute.name.partition("::")[2]
        assert (
            values.count(f"{name} {attribute.value} {count}") + values.count(f"{name} {count}") == 1
        ), attribute.name
        assert len(values) == sum(other.kind == attribute.kind for other in columns())
    assert ", ".join(f"{character} {meaning}" for character, meaning in CHARACTERS.items()) in page
