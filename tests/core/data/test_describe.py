"""What a packed dataset is said to hold, and the page of its images."""

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from core.data.archives import Archive, Check
from core.data.describe import main, packed_sheet
from core.data.packed import Manifest, open_table, pack, read_columns
from core.data.views import attributes_in_words, print_description, summarize, summarize_splits
from core.errors import ConfigError, DataError
from tests.core.data.packing import make_archive

SMALL: dict[str, Any] = {"num_workers": 1, "rows_per_shard": 8}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    archive = make_archive(
        tmp_path_factory.mktemp("archive"), checks=(Check("images", 21, 20), Check("classes", 3, 3))
    )
    attributes_NA = archive.attributes_NA.copy()
    attributes_NA[archive.is_test_N, 0] = False
    attributes_NA[~archive.is_test_N, 1] = True
    attributes_NA[3, 1:] = True  # a row of test
    (archive.root / archive.files[6]).write_bytes(b"no image")
    return replace(archive, attributes_NA=attributes_NA)


@pytest.fixture(scope="module")
def packed(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "birds"
    pack(archive, out, max_unreadable=0.1, options={"objects": "all"}, **SMALL)
    return out


def test_counts_prevalences_and_floors_worked_out_by_hand() -> None:
    attributes_NA = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0]], dtype=bool)
    summary = summarize(np.array([2, 0, 2, 2]), attributes_NA, num_classes=4)
    assert summary.counts_K.tolist() == [1, 0, 3, 0]
    assert summary.prevalence_A.tolist() == [1.0, 0.0, 0.25]
    # 2a / (1 + a) is 1 at a = 1 and 0.4 at a = 1/4; the second never occurs.
    assert summary.floor == pytest.approx((1 + 0.4) / 2, abs=1e-12)
    assert summary.num_absent_attributes == 1


def test_a_split_without_rows_or_attributes_has_no_floor() -> None:
    empty = summarize(np.zeros(0, dtype=np.int32), np.zeros((0, 2), dtype=bool), num_classes=2)
    assert (empty.num_rows, empty.floor, empty.num_absent_attributes) == (0, None, 2)
    assert empty.counts_K.tolist() == [0, 0]
    assert np.isnan(empty.prevalence_A).all()
    bare = summarize(np.zeros(3, dtype=np.int32), np.zeros((3, 2), dtype=bool), num_classes=1)
    assert bare.floor is None
    assert bare.prevalence_A.tolist() == [0.0, 0.0]


def test_splits_are_summarised_from_the_columns(archive: Archive, packed: Path) -> None:
    table = read_columns(packed, ["label", "is_test", "attributes"])
    splits = summarize_splits(Manifest.read(packed), table)
    readable_N = np.arange(20) != 6
    for split, of_split_N in (("train", ~archive.is_test_N), ("test", archive.is_test_N)):
        rows_N = of_split_N & readable_N
        assert splits[split].num_rows == rows_N.sum()
        expected_A = archive.attributes_NA[rows_N].mean(axis=0)
        assert splits[split].prevalence_A.tolist() == expected_A.tolist()
        expected_K = np.bincount(archive.labels_N[rows_N], minlength=3)
        assert splits[split].counts_K.tolist() == expected_K.tolist()


def test_the_command_prints_everything(
    archive: Archive, packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(packed), "--verify"]) == 0
    output = capsys.readouterr().out
    manifest = Manifest.read(packed)
    for text in (
        "birds: 19 images (14 train, 5 test), 3 classes, 4 attributes per image",
        "3 shards, ",
        "shorter side at most 550 px",
        "reader options: objects=all",
        f"fingerprint {manifest.fingerprint}",
        "warning: One box was empty.",
        "1 images were unreadable and are left out:",
        "  row 6, images/006.jpg: its content is no image of a known format",
        "every byte is as it was packed",
    ):
        assert text in output
    cells = [
        [cell.strip() for cell in line.strip("│┃").split("│")]
        for line in output.splitlines()
        if "│" in line
    ]
    rows = {line[0]: line[1:] for line in cells}
    assert rows["bee eater"] == ["5", "2", "7"]
    assert rows["all 3"] == ["14", "5", "19"]
    assert rows["has_stripes"][0] == "100.0"
    assert rows["has_crest::yes"][1] == "0.0"
    assert rows["images"] == ["21", "20", "-1"]
    assert rows["classes"] == ["3", "3", ""]
    assert rows["attributes that never occur, left out"] == ["0", "1"]
    test_N = archive.is_test_N
    shares_A = archive.attributes_NA[test_N][:, 1:].mean(axis=0)
    floor = 100 * (2 * shares_A / (1 + shares_A)).mean()
    assert rows["floor"][1] == f"{floor:.2f}"


def test_long_tables_are_given_by_their_extremes_unless_all_is_asked_for(tmp_path: Path) -> None:
    rows, classes, attributes = 12, 60, 50
    attributes_NA = np.arange(attributes) < np.arange(rows)[:, None] * 5
    archive = make_archive(
        tmp_path / "archive",
        rows=rows,
        class_names=tuple(f"class {label}" for label in range(classes)),
        attribute_names=tuple(f"attribute {index}" for index in range(attributes)),
        attributes_NA=attributes_NA,
        labels_N=np.array([0, 1, 1] + [5] * 9),
    )
    manifest = pack(archive, tmp_path / "out", **SMALL)
    splits = summarize_splits(manifest, open_table(tmp_path / "out"))

    def printed(full: bool) -> str:
        buffer = io.StringIO()
        print_description(manifest, splits, Console(file=buffer, width=160), full=full)
        return buffer.getvalue()

    short, long = printed(False), printed(True)
    assert "9 (class 5)" in short
    assert "0 (class 2)" in short
    assert "88.9 (attribute 0)" in short  # of the 9 rows of train all but row 0
    assert "100.0 (attribute 0)" in short
    assert "attribute 33" not in short
    for name in (*archive.class_names, *archive.attribute_names):
        assert name in long
    assert short.count("\n") < 45 < long.count("\n")


def test_more_unreadable_images_than_a_screen_are_counted(packed: Path) -> None:
    manifest = Manifest.read(packed)
    many = replace(manifest, skipped=manifest.skipped * 25)
    splits = summarize_splits(manifest, open_table(packed))
    for full, lines in ((False, 10), (True, 25)):
        buffer = io.StringIO()
        print_description(many, splits, Console(file=buffer, width=160), full=full)
        assert buffer.getvalue().count("images/006.jpg") == lines
        assert ("and 15 more (--all lists them)" in buffer.getvalue()) == (not full)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_sheet_shows_images_with_class_and_attributes(packed: Path, split: str) -> None:
    table = open_table(packed)
    manifest = Manifest.read(packed)
    figure = packed_sheet(packed, split=split, num_images=99, columns=4)
    rows = [row for row in table.to_pylist() if row["is_test"] == (split == "test")]
    rows.sort(key=lambda row: row["label"])
    assert [axes.get_title() for axes in figure.axes] == [
        manifest.class_names[row["label"]] for row in rows
    ]
    for axes, row in zip(figure.axes, rows, strict=True):
        assert axes.texts[0].get_text() == attributes_in_words(
            manifest.attribute_names, np.array(row["attributes"])
        )
        with Image.open(io.BytesIO(row["image"])) as image:
            assert np.array_equal(axes.images[0].get_array(), np.asarray(image))


def test_a_smaller_sheet_meets_every_class(packed: Path) -> None:
    titles = [axes.get_title() for axes in packed_sheet(packed, num_images=3).axes]
    assert titles == ["auk", "bee eater", "crow"]


def test_attributes_are_named_in_words() -> None:
    names = ("has_bill_shape::hooked", "has_size::small_(5_-_9_in)", "swims")
    assert attributes_in_words(names, np.array([True, False, True])) == "bill shape hooked, swims"
    assert attributes_in_words(names, np.array([False] * 3)) == "no attribute recorded"


def test_the_command_draws_a_sheet(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    assert main([str(packed), "--sheet", str(sheet), "--images", "5", "--columns", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{sheet}: 5 images"
    with Image.open(sheet) as image:
        assert image.width > 600


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--sheet", "a.txt"], "--sheet must end in .pdf, .png, .svg, but got 'a.txt'"),
        (["--sheet", "absent/a.png"], "--sheet lies in 'absent', which is no folder"),
        (["--sheet", "OUT", "--images", "0"], "`num_images` must be at least 1, but got 0"),
        (["--sheet", "OUT", "--columns", "0"], "`columns` must be at least 1, but got 0"),
        (["--split", "minival"], "invalid choice: 'minival'"),
        (["--al"], "unrecognized arguments: --al"),
    ],
)
def test_the_command_refuses_in_one_line(
    packed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    out = tmp_path / "sheet.png"
    with pytest.raises(SystemExit) as stopped:
        main([str(packed), *(str(out) if word == "OUT" else word for word in more)])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_what_is_no_packed_dataset_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "has no manifest.json" in capsys.readouterr().err


def test_the_sheet_refuses_what_it_cannot_show(
    packed: Path, archive: Archive, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="`split` must be one of 'train', 'test', but got 'all'"):
        packed_sheet(packed, split="all")
    whole = replace(archive, is_test_N=np.zeros(20, dtype=bool))
    pack(whole, tmp_path / "out", max_unreadable=0.1, **SMALL)
    with pytest.raises(DataError, match="Split 'test' of 'birds' must have images, but is empty"):
        packed_sheet(tmp_path / "out", split="test")
    damaged = Path(shutil.copytree(packed, tmp_path / "damaged"))
    shard = damaged / "shards" / "shard-00000.arrow"
    content = shard.read_bytes()
    shard.write_bytes(content.replace(b"\xff\xd8\xff", b"\0\0\0"))
    with pytest.raises(DataError, match=r"The image of row 0, 'images/000\.jpg', in .* is damaged"):
        packed_sheet(damaged, num_images=99)
