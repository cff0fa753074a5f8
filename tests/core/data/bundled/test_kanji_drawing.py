"""Reading drawings: made-up files for every form that occurs, and what is known of real ones."""

from pathlib import Path

import numpy as np
import pytest

from core.data.bundled.kanji import CHARACTERS
from core.data.bundled.kanji._drawing import Component, Drawing, read_drawing, read_drawings
from core.data.bundled.kanji._source import drawing_files
from core.errors import DataError

HEAD = """<!DOCTYPE svg [
<!ATTLIST g xmlns:kvg CDATA #FIXED "http://example.org/one" kvg:element CDATA #IMPLIED>
]>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:kvg="https://example.org/two">
<g id="kvg:StrokePaths_x">"""
FOOT = '</g><g id="kvg:StrokeNumbers_x"><text>1</text></g></svg>'


def stroke(kind: str, path: str = "M0,0c1,0,2,0,3,0") -> str:
    return f'<path kvg:type="{kind}" d="{path}"/>'


def written(tmp_path: Path, content: str, name: str = "x.svg") -> Path:
    path = tmp_path / name
    path.write_text(f"{HEAD}{content}{FOOT}", encoding="utf-8")
    return path


def whole(tmp_path: Path, content: str) -> Component:
    return read_drawing(written(tmp_path, f'<g kvg:element="W">{content}</g>')).whole


def standard(characters: str) -> list[Drawing]:
    return [read_drawing(paths[0]) for paths in drawing_files(characters).values()]


def test_components_places_and_loose_strokes(tmp_path: Path) -> None:
    found = whole(
        tmp_path,
        f'<g kvg:element="A" kvg:position="left">{stroke("㇐") * 2}</g>'
        f'<g kvg:element="B" kvg:position="right">{stroke("㇑")}'
        f'<g kvg:element="C">{stroke("㇐")}</g></g>{stroke("㇏")}',
    )
    assert (found.element, found.place, found.num_loose_strokes) == ("W", None, 1)
    assert [(x.element, x.place, x.num_loose_strokes) for x in found.within()] == [
        ("W", None, 1),
        ("A", "left", 2),
        ("B", "right", 1),
        ("C", None, 1),
    ]


def test_a_group_without_a_name_is_part_of_the_one_above(tmp_path: Path) -> None:
    found = whole(
        tmp_path, f'<g>{stroke("㇐")}<g kvg:element="A">{stroke("㇐")}</g></g>{stroke("㇐")}'
    )
    assert [part.element for part in found.parts] == ["A"]
    assert found.num_loose_strokes == 2


def test_a_component_that_another_interrupts_is_one(tmp_path: Path) -> None:
    inner = f'<g kvg:element="C">{stroke("㇐")}</g>'
    found = whole(
        tmp_path,
        f'<g kvg:element="A" kvg:part="1" kvg:position="kamae">{stroke("㇐")}</g>'
        f'<g kvg:element="B">{stroke("㇐")}</g>'
        f'<g kvg:element="A" kvg:part="2" kvg:position="kamae">{stroke("㇐")}{inner}</g>',
    )
    assert [part.element for part in found.parts] == ["A", "B"]
    assert found.parts[0].num_loose_strokes == 2
    assert [part.element for part in found.parts[0].parts] == ["C"]


def test_two_components_of_one_name_stay_two(tmp_path: Path) -> None:
    twins = f'<g kvg:element="A">{stroke("㇐")}</g>' * 2
    assert [part.element for part in whole(tmp_path, twins).parts] == ["A", "A"]


def test_strokes_have_kinds_points_and_middles(tmp_path: Path) -> None:
    content = stroke("㇕b", "M0,0c36,0,73,0,109,0") + stroke("㇏/㇐", "M109,0c0,36,0,73,0,109")
    drawing = read_drawing(written(tmp_path, f'<g kvg:element="W">{content}</g>'))
    assert drawing.stroke_kinds == ("HZ", "N")
    ends = [np.flatnonzero(drawing.strokes_P == s)[[0, -1]] for s in (0, 1)]
    assert np.allclose(drawing.points_P2[np.concatenate(ends)], [[0, 0], [1, 0], [1, 0], [1, 1]])
    assert np.allclose(drawing.middles_S2, [[0.5, 0], [1, 0.5]], atol=0.004)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'<g kvg:element="W">{stroke("")}</g>', "must have a kind, but has ''"),
        (f'<g kvg:element="W">{stroke("x")}</g>', "must have a kind, but has 'x'"),
        ("", "strokes of one character"),
        ('<g kvg:element="W"/>' * 2, "strokes of one character"),
        ('<g kvg:element="W"/>', "strokes of one character"),
        ("<g>", "is no XML"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_drawing(written(tmp_path, content))


def test_strokes_in_another_order_are_the_same_drawing(tmp_path: Path) -> None:
    strokes = [stroke("㇐"), stroke("㇑", "M5,5c0,1,0,2,0,3"), stroke("㇑", "M6,5c0,1,0,2,0,3")]
    orders = [strokes, strokes[::-1], strokes[:2]]
    paths = [
        written(tmp_path, f'<g kvg:element="W">{"".join(order)}</g>', f"{index}.svg")
        for index, order in enumerate(orders)
    ]
    found = read_drawings(paths)
    assert [drawing.stroke_kinds for drawing in found] == [("H", "S", "S"), ("H", "S")]


def test_real_characters_have_the_strokes_that_dictionaries_count() -> None:
    counts = [len(drawing.stroke_kinds) for drawing in standard("時持海語門口心")]
    assert counts == [10, 9, 9, 14, 8, 3, 4]


def test_real_characters_have_the_parts_that_dictionaries_list() -> None:
    time, store, hear = standard("時店聞")
    assert [(x.element, x.place) for x in time.whole.parts] == [("日", "left"), ("寺", "right")]
    assert [x.element for x in time.whole.within()] == ["時", "日", "寺", "土", "寸"]
    assert [(x.element, x.place) for x in store.whole.parts] == [("广", "tare"), ("占", "tarec")]
    assert [x.element for x in hear.whole.parts] == ["門", "耳"]
    # A horizontal, a vertical and a corner: a mouth.
    assert standard("口")[0].stroke_kinds == ("S", "HZ", "H")


def test_every_drawing_of_every_character_can_be_read() -> None:
    files = drawing_files(CHARACTERS)
    assert list(files) == list(CHARACTERS)
    for character, paths in files.items():
        assert paths[0].name == f"{ord(character):05x}.svg", "the standard drawing comes first"
        for drawing in read_drawings(paths):
            assert drawing.whole.element == character
            assert ((drawing.points_P2 > 0) & (drawing.points_P2 < 1)).all()
    assert any(len(read_drawings(paths)) > 1 for paths in files.values())


def test_a_character_without_a_drawing_is_named() -> None:
    with pytest.raises(DataError, match="must have a drawing of '☃'"):
        drawing_files("時☃")
