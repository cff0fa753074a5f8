"""Tables of attributes: of pictures and of classes, in CSV and Parquet."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.archives.own._attributes import AttributeTable, read_attributes
from core.errors import DataError

FILES = ("heron/a.jpg", "heron/b é.jpg", "kingfisher/c.jpg", "NA/d.jpg")
CLASSES = ("heron", "kingfisher", "NA")
LABELS = np.array([0, 0, 1, 2])


def read(path: Path, threshold: float | None = None) -> AttributeTable:
    return read_attributes(
        path, files=FILES, class_names=CLASSES, labels_N=LABELS, threshold=threshold
    )


def of_csv(tmp_path: Path, text: str, threshold: float | None = None) -> AttributeTable:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return read(path, threshold)


def test_a_row_a_picture_with_every_kind_of_value(tmp_path: Path) -> None:
    table = of_csv(
        tmp_path,
        "\ufefffile,blue,wet,share,old\n"
        "./kingfisher/c.jpg,1,true,0.75,\n"
        "heron/a.jpg,0,False,0.5,NA\n"
        "heron/b e\u0301.jpg,,TRUE,0.49,nan\n"
        "NA/d.jpg,1,,2,\n",
        threshold=0.5,
    )
    assert table.names == ("blue", "wet", "share", "old")
    assert not table.per_class
    assert table.flags_NA.astype(int).tolist() == [
        [0, 0, 1, 0],
        [0, 1, 0, 0],
        [1, 1, 1, 0],
        [1, 0, 1, 0],
    ]
    missing, never = table.warnings
    assert "taken as absent (6 of 16, of 'old' most: 4)" in missing
    assert never == "Attributes that no picture has (1): old."


def test_a_row_a_class(tmp_path: Path) -> None:
    table = of_csv(tmp_path, "Class,long bill,blue\nNA,0,1\nheron,1,0\nstork,1,0\n")
    assert table.per_class
    assert table.flags_NA.tolist() == [
        [True, False],
        [True, False],
        [False, False],
        [False, True],
    ]
    rowless, strangers, missing = table.warnings
    assert rowless.startswith("Classes without a row")
    assert "(1): kingfisher." in rowless
    assert "of no class that is here (1): stork" in strangers
    assert "(2 of 8, " in missing


def test_a_parquet_table_is_read_as_a_csv_one(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "image": ["heron/a.jpg", "NA/d.jpg"],
        "flag": [True, None],
        "count": pa.array([0, 3], pa.int16()),
        "nothing": pa.nulls(2),
        "score": [float("nan"), 0.9],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet", threshold=2)
    assert table.flags_NA.tolist() == [
        [True, False, False, False],
        [False] * 4,
        [False] * 4,
        [False, True, False, False],
    ]
    assert "Pictures without a row" in table.warnings[0]


def test_a_number_at_the_threshold_has_the_attribute(tmp_path: Path) -> None:
    text = "class,share\nheron,50\nkingfisher,49.9\nNA,100\n"
    assert of_csv(tmp_path, text, 50).flags_NA[:, 0].tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bird,blue\nheron,1\n", "must be called 'file' .* or 'class' .* but is called 'bird'"),
        ("class;blue\nheron;1\n", "but is called 'class;blue'"),
        ("class\nheron\n", "must have a column for each attribute beside 'class', but has none"),
        ("class,a,a\nheron,1,1\n", "'a' comes twice"),
        ("class,a,\nheron,1,1\n", "one has none"),
        ("class,a\nheron,red\nNA,blue\n", "but holds 'red'. Give each value a column of its own"),
        ("class,a\nheron,0.3\n", "other than 0 and 1, such as 0.3: say with `threshold`"),
        ("class,a\nheron,1\nheron,0\n", "'heron' must have one row in .* but has rows 1 and 2"),
        ("class,a\nheron,1\n,0\n", "must have its 'class', but row 2 has none"),
        ("class,a\nstork,1\n", "must name the classes, such as 'heron', .* its first is 'stork'"),
        ("file,a\na.jpg,1\n", "must name the pictures, such as 'heron/a.jpg', .* is 'a.jpg'"),
        ("class,a\n", "must have rows, but has none"),
        ("class,a\nheron,1,2,3\n", "cannot be read as a table"),
        ("", "cannot be read as a table"),
    ],
)
def test_tables_that_cannot_be_understood_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        of_csv(tmp_path, text)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be a file, but '.*gone.csv' is none"):
        read(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"must end in .csv or .parquet, but got '.*a.xlsx'"):
        read(tmp_path / "a.xlsx")
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(tmp_path / "a.parquet")
    (tmp_path / "latin.csv").write_bytes("class,a\nKönig,1\n".encode("latin-1"))
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(tmp_path / "latin.csv")
