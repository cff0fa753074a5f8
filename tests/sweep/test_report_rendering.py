"""Every renderer, by reading back what it made."""

import csv
import io
import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from matplotlib.image import imread
from matplotlib.text import Text
from rich.console import Console

from sweep.errors import SweepError
from sweep.report import (
    Column,
    Difference,
    Figure,
    Level,
    Panel,
    Point,
    Report,
    Series,
    Spread,
    Table,
)
from sweep.report.render import draw, show, to_arrow, to_markdown, write

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SVG = "{http://www.w3.org/2000/svg}"

TABLE = Table(
    name="numbers",
    title="Numbers",
    columns=[
        Column(name="arm", unit="arm"),
        Column(name="score", direction="higher"),
        Column(name="gain"),
        Column(name="hidden", narrow=False),
        Column(name="seeds", unit="count"),
    ],
    rows=[
        [
            "a | b",
            Spread.of([1 / 3, 1 / 4]),
            Difference(mean=0.031, half_width=0.01, count=2),
            0.1,
            2,
        ],
        [
            "num_bits=4",
            Spread.of([1 / 7]),
            Difference(mean=-0.5, half_width=None, count=1),
            0.2,
            1,
        ],
        ["[none]", None, None, None, 0],
    ],
    note="A note.",
)


def figure(*levels: Level, joined: bool = True, height: float = 0.0) -> Figure:
    points = [Point.of(x, Spread.of([0.6 + height * x, 0.62, 0.64])) for x in (0.0, 0.5, 1.0)]
    return Figure(
        name="figure",
        title="A figure",
        alternative="Scores rise & fall.",
        panels=[
            Panel(
                y_label="score",
                series=[
                    Series(label="first", points=points, joined=joined),
                    Series(label="second", points=points, joined=joined),
                ],
                levels=levels,
            )
        ],
    )


def printed(report: Report) -> str:
    console = Console(file=io.StringIO(), width=100)
    show(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_csv_and_parquet_hold_the_same_numbers_to_the_last_digit(tmp_path: Path) -> None:
    paths = write(Report(title="t", tables=[TABLE]), tmp_path)
    assert [path.name for path in paths] == ["numbers.csv", "numbers.parquet"]
    parquet = pyarrow.parquet.read_table(paths[1])
    assert parquet.equals(to_arrow(TABLE))
    assert pyarrow.csv.read_csv(paths[0])["score mean"].to_pylist() == (
        parquet["score mean"].to_pylist()
    )
    assert parquet["score mean"].to_pylist() == [(1 / 3 + 1 / 4) / 2, 1 / 7, None]
    assert parquet["score deviation"].to_pylist()[1:] == [None, None]
    assert parquet["gain low"].to_pylist() == [0.031 - 0.01, None, None]
    assert parquet["hidden"].to_pylist() == [0.1, 0.2, None]
    with paths[0].open() as file:
        rows = list(csv.DictReader(file))
    assert [row["seeds"] for row in rows] == ["2", "1", "0"]
    assert (rows[2]["score mean"], rows[2]["gain high"]) == ("", "")


def test_a_console_shows_percent_and_nothing_that_one_seed_cannot_say() -> None:
    text = printed(Report(title="t", tables=[TABLE], texts=["A sentence [in brackets]."]))
    lines = {line.split("  ")[0].strip(): line for line in text.splitlines()}
    assert "29.2 ± 5.9" in lines["a | b"]
    assert "+3.1 [+2.1, +4.1]" in lines["a | b"]
    assert lines["r=4"].split() == ["r=4", "14.3", "-50.0", "1"], "the arm by its short name"
    assert lines["[none]"].split() == ["[none]", "-", "-", "0"]
    assert "hidden" not in text
    assert "A sentence [in brackets]." in text
    assert "nan" not in text


def test_a_narrow_console_shows_every_digit_of_an_interval() -> None:
    console = Console(file=io.StringIO(), width=40)
    show(Report(title="t", tables=[TABLE]), console)
    assert isinstance(console.file, io.StringIO)
    words = console.file.getvalue().split()
    assert {"+3.1", "[+2.1,", "+4.1]"} <= set(words)


def test_markdown_keeps_each_cell_in_its_place() -> None:
    text = to_markdown(Report(title="t", tables=[TABLE], figures=[figure()]))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "| arm | score | gain | seeds |"
    assert rows[2] == "| a \\| b | 29.2 ± 5.9 | +3.1 [+2.1, +4.1] | 2 |"
    assert rows[4] == "| [none] | - | - | 0 |"
    assert "Figure `figure`: Scores rise & fall." in text


def test_pictures_are_png_and_svg_with_the_text_inside(tmp_path: Path) -> None:
    png, svg = write(Report(title="t", figures=[figure()]), tmp_path)
    assert png.read_bytes().startswith(PNG_SIGNATURE)
    assert b"Scores rise & fall." in png.read_bytes()
    assert imread(png).std() > 0.05
    root = ElementTree.parse(svg).getroot()
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == "A figure"
    assert any(element.text == "Scores rise & fall." for element in root.iter())


def test_pictures_move_with_their_numbers_and_with_nothing_else(tmp_path: Path) -> None:
    files = []
    for name, height in (("a", 0.0), ("again", 0.0), ("other", 0.02)):
        files.append(
            [
                p.read_bytes()
                for p in write(Report(title="t", figures=[figure(height=height)]), tmp_path / name)
            ]
        )
    assert files[0] == files[1]
    assert files[0][0] != files[2][0]
    assert files[0][1] != files[2][1]


def test_series_differ_in_marker_and_line_and_not_only_in_colour() -> None:
    (axes,) = draw(figure()).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    first, second = lines["first"], lines["second"]
    assert first.get_marker() != second.get_marker()
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_color() != second.get_color()


def test_categories_are_not_joined_by_lines() -> None:
    (axes,) = draw(figure(joined=False)).axes
    drawn = [line for line in axes.get_lines() if line.get_label() in ("first", "second")]
    assert {line.get_linestyle() for line in drawn} == {"None"}


@pytest.mark.parametrize(("y", "is_drawn"), [(0.58, True), (0.33, False), (0.95, False)])
def test_a_floor_that_would_squeeze_the_panel_is_said_in_words(y: float, is_drawn: bool) -> None:
    (axes,) = draw(figure(Level(label="floor", y=y, may_lie_outside=True))).axes
    labels = [line.get_label() for line in axes.get_lines()]
    assert ("floor" in labels) == is_drawn
    said = [text.get_text() for text in axes.texts]
    where = "below" if y < 0.6 else "above"
    assert said == ([] if is_drawn else [f"floor: {100 * y:.1f} %, {where} this frame"])
    low, high = axes.get_ylim()
    assert high - low < 20


def test_a_reference_is_always_inside() -> None:
    (axes,) = draw(figure(Level(label="reference", y=0.2, low=0.1, high=0.3))).axes
    low, high = axes.get_ylim()
    assert low < 10
    assert high > 64


def test_a_folder_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match="cannot be written to"):
        write(Report(title="t", tables=[TABLE]), tmp_path / "file" / "folder")


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="must have 1 cells, but got 2"):
        Table(name="n", title="t", columns=[Column(name="a")], rows=[[0.1, 0.2]])


def crowded(count: int, *, error_axis: bool = False) -> Figure:
    """Some points that are far apart, and many in a corner."""
    places = [(0.9, 0.3), (0.5, 0.5), *((0.01 + 0.001 * (i % 5), 0.6) for i in range(count - 2))]
    return Figure(
        name="crowd",
        title="A crowd",
        alternative="Many.",
        panels=[
            Panel(
                y_label="score",
                x_label="error",
                labelled=True,
                error_axis=error_axis,
                series=[
                    Series(label=f"row number {i}", points=[Point(x=x, y=y + 0.001 * i)])
                    for i, (x, y) in enumerate(places)
                ],
            )
        ],
    )


@pytest.mark.parametrize("error_axis", [False, True])
def test_names_beside_points_do_not_lie_on_one_another(error_axis: bool) -> None:
    canvas = draw(crowded(20, error_axis=error_axis))
    canvas.draw_without_rendering()
    (axes,) = canvas.axes
    texts = [text for text in axes.texts if text.get_text().startswith("row number")]
    assert len(texts) == 20
    boxes = [Text.get_window_extent(text) for text in texts]
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)


def test_fewer_errors_lie_to_the_right_and_factors_are_alike() -> None:
    (axes,) = draw(crowded(4, error_axis=True)).axes
    left, right = axes.get_xlim()
    assert left > 90 > 1 > right > 0
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "error (%)"
    assert [label.get_text() for label in axes.get_xticklabels()][:3] == ["1", "2", "5"]


def rows_of(*levels: Level) -> Figure:
    spreads = [Spread.of([0.5, 0.52, 0.6]), Spread.of([0.7, 0.71, 0.73])]
    points = [Point.of(place, spread) for place, spread in enumerate(spreads)]
    panels = [
        Panel(
            y_label=label,
            rows=["first", "second"],
            series=[Series(label="mean", points=points)],
            levels=levels,
        )
        for label in ("score", "gain")
    ]
    return Figure(name="rows", title="Rows", alternative="Two.", panels=panels, beside=True)


def test_rows_lie_below_one_another_and_are_named_once() -> None:
    inside, outside = (
        Level(label="reference", y=0.72),
        Level(label="floor: a constant", y=0.01, may_lie_outside=True),
    )
    left, right = draw(rows_of(inside, outside)).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["first", "second"]
    assert [label.get_text() for label in right.get_yticklabels()] == ["", ""]
    bottom, top = left.get_ylim()
    assert bottom > 1 > 0 > top
    means = next(line for line in left.get_lines() if line.get_label() == "mean")
    assert means.get_xdata() == pytest.approx([54.0, 100 * 2.14 / 3])
    assert list(means.get_ydata()) == [0, 1]
    assert [text.get_text() for text in left.texts] == ["reference"]
    low, high = left.get_xlim()
    assert 20 < low < 50
    assert 73 < high < 100
