"""aPascal and aYahoo: their lines, boxes, counts of objects, and splits."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.archives import Archive, Check, read_apascal, read_ayahoo
from core.errors import ConfigError, DataError
from tests.core.data.archives_on_disk import (
    Table,
    assert_reads_as,
    farhadi_lines,
    replace_line,
    small_table,
    write_apascal,
    write_ayahoo,
    write_images,
)

APASCAL = small_table("apascal", num_classes=3, images_per_class=4, num_attributes=64)
AYAHOO = small_table("ayahoo", num_classes=2, images_per_class=20, num_attributes=64)
VOC_IMAGES = "VOCdevkit/VOC2008/JPEGImages"
YAHOO_IMAGES = "ayahoo_test_images"
YAHOO_FILE = "attribute_data/ayahoo_test.txt"

READERS = [
    pytest.param(read_apascal, write_apascal, APASCAL, VOC_IMAGES, id="apascal"),
    pytest.param(read_ayahoo, write_ayahoo, AYAHOO, YAHOO_IMAGES, id="ayahoo"),
]
Reader = Callable[[Path], Archive]
Writer = Callable[[Path, Table], Path]


@pytest.mark.parametrize(("read", "write", "table", "images"), READERS)
@pytest.mark.parametrize("given_root", [".", "attribute_data"])
def test_a_clean_archive_reads_as_written(
    tmp_path: Path, read: Reader, write: Writer, table: Table, images: str, given_root: str
) -> None:
    write(tmp_path, table)
    archive = read(tmp_path / given_root)
    assert_reads_as(archive, table, images)
    assert archive.root == tmp_path
    assert archive.warnings == ()
    assert (archive.crops, archive.attributes_per_class) == (True, False)


def test_a_line_has_70_fields(tmp_path: Path) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    lines = (tmp_path / YAHOO_FILE).read_text().splitlines()
    assert {len(line.split(" ")) for line in lines} == {70}


def test_both_parts_lie_in_one_archive_and_keep_their_own_classes(tmp_path: Path) -> None:
    write_apascal(tmp_path, APASCAL)
    write_ayahoo(tmp_path, AYAHOO)
    assert len((tmp_path / "attribute_data" / "class_names.txt").read_text().split()) == 5
    assert_reads_as(read_apascal(tmp_path), APASCAL, VOC_IMAGES)
    assert_reads_as(read_ayahoo(tmp_path), AYAHOO, YAHOO_IMAGES)


def test_attribute_names_may_hold_spaces(tmp_path: Path) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    assert read_ayahoo(tmp_path).attribute_names[:3] == ("0D Boxy", "1D Boxy", "2D Boxy")


def test_boxes_count_from_1_and_hold_their_right_and_bottom(tmp_path: Path) -> None:
    table = AYAHOO.but(
        boxes_N4=np.tile([0.0, 0.0, 24.0, 18.0], (len(AYAHOO.labels_N), 1)),
    )
    write_ayahoo(tmp_path, table)
    first = (tmp_path / YAHOO_FILE).read_text().split()[:6]
    assert first[2:] == ["1", "1", "24", "18"]
    boxes_N4 = read_ayahoo(tmp_path).boxes_N4
    assert boxes_N4 is not None
    assert boxes_N4[0].tolist() == [0, 0, 24, 18]


def test_the_published_boxes_without_area_are_whole_images_and_named(tmp_path: Path) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    lines = (tmp_path / YAHOO_FILE).read_text().splitlines()
    for row, (image, corners) in enumerate(
        [("mug_308.jpg", "31 22 31 22"), ("bag_227.jpg", "333 446 333 500")]
    ):
        rest = lines[row].split(" ", 6)[6]
        replace_line(tmp_path / YAHOO_FILE, row + 1, f"{image} beast0 {corners} {rest}")
    write_images(tmp_path / YAHOO_IMAGES, ["mug_308.jpg", "bag_227.jpg"])
    archive = read_ayahoo(tmp_path)
    assert archive.boxes_N4 is not None
    assert np.flatnonzero(np.isnan(archive.boxes_N4).all(axis=1)).tolist() == [0, 1]
    assert not np.isnan(archive.boxes_N4[2:]).any()
    assert archive.warnings == (
        "Boxes of ayahoo_test.txt without area are taken as the whole image (2): "
        "mug_308.jpg (31 22 31 22), bag_227.jpg (333 446 333 500).",
    )


def test_a_reversed_box_is_one_without_area(tmp_path: Path) -> None:
    write_apascal(tmp_path, APASCAL)
    path = tmp_path / "attribute_data" / "apascal_test.txt"
    image, name, *_, rest = path.read_text().splitlines()[0].split(" ", 6)
    replace_line(path, 1, f"{image} {name} 9 3 5 8 {rest}")
    archive = read_apascal(tmp_path)
    assert archive.boxes_N4 is not None
    assert np.isnan(archive.boxes_N4).all(axis=1).sum() == 1
    (warning,) = archive.warnings
    assert warning.endswith(f"whole image (1): {image} (9 3 5 8).")


def test_one_object_per_image_is_the_largest(tmp_path: Path) -> None:
    table = APASCAL.but(
        files=("a.jpg", "a.jpg", "b.jpg", "b.jpg", "c.jpg"),
        labels_N=np.array([0, 1, 2, 0, 1]),
        is_test_N=np.array([False, False, False, False, True]),
        attributes_NA=APASCAL.attributes_NA[:5],
        boxes_N4=np.array(
            [[0, 0, 4, 4], [1, 1, 9, 9], [0, 0, 5, 5], [2, 2, 7, 7], [3, 3, 3, 9]], dtype=float
        ),
    )
    write_apascal(tmp_path, table)
    archive = read_apascal(tmp_path, objects="one-per-image")
    assert archive.files == tuple(f"{VOC_IMAGES}/{name}.jpg" for name in "abc")
    assert archive.labels_N.tolist() == [1, 2, 1]  # of equals, the first
    assert archive.is_test_N.tolist() == [False, False, True]
    np.testing.assert_array_equal(archive.attributes_NA, table.attributes_NA[[1, 2, 4]])
    assert archive.boxes_N4 is not None
    assert archive.boxes_N4[:2].tolist() == [[1, 1, 9, 9], [0, 0, 5, 5]]
    assert np.isnan(archive.boxes_N4[2]).all()


def test_a_box_without_area_yields_to_every_other(tmp_path: Path) -> None:
    table = APASCAL.but(
        files=("a.jpg", "a.jpg", "b.jpg"),
        labels_N=np.array([0, 1, 2]),
        is_test_N=np.array([False, False, True]),
        attributes_NA=APASCAL.attributes_NA[:3],
        boxes_N4=np.array([[5, 5, 5, 5], [1, 1, 3, 3], [0, 0, 5, 5]], dtype=float),
    )
    write_apascal(tmp_path, table)
    assert read_apascal(tmp_path, objects="one-per-image").labels_N.tolist() == [1, 2]


def test_counts_of_apascal_are_compared_with_those_of_the_choice(tmp_path: Path) -> None:
    write_apascal(tmp_path, APASCAL)
    images = (Check("train images", 2113, 6), Check("test images", 2227, 6))
    names = (Check("classes", 20, 3), Check("attributes", 64, 64))
    assert read_apascal(tmp_path).checks == (
        *names,
        Check("train objects", 6340, 9),
        Check("test objects", 6355, 9),
        *images,
    )
    assert read_apascal(tmp_path, objects="one-per-image").checks == (
        *names,
        Check("train objects", 2869, 6),
        Check("test objects", 2227, 6),
        *images,
    )


def test_apascal_has_the_split_of_its_files(tmp_path: Path) -> None:
    write_apascal(tmp_path, APASCAL)
    np.testing.assert_array_equal(read_apascal(tmp_path).is_test_N, APASCAL.is_test_N)


def test_an_image_of_both_parts_of_apascal_is_told(tmp_path: Path) -> None:
    files = (*APASCAL.files[:-1], APASCAL.files[0])
    write_apascal(tmp_path, APASCAL.but(files=files))
    (warning,) = read_apascal(tmp_path).warnings
    assert warning == (
        f"Images with objects in apascal_train.txt and in apascal_test.txt (1): {APASCAL.files[0]}."
    )


def test_ayahoo_is_split_by_image_unless_told_otherwise(tmp_path: Path) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    by_image = read_ayahoo(tmp_path)
    files = np.array(by_image.files)
    assert not set(files[by_image.is_test_N]) & set(files[~by_image.is_test_N])
    assert np.bincount(by_image.labels_N[by_image.is_test_N]).tolist() == [9, 9]  # of 30 each
    assert by_image.warnings == ()

    by_row = read_ayahoo(tmp_path, split="paper")
    shared = set(files[by_row.is_test_N]) & set(files[~by_row.is_test_N])
    assert by_row.is_test_N.sum() == 18
    assert by_row.warnings == (
        f"The split is by object, so images have objects in both parts ({len(shared)} of 40): test "
        "scores see pixels of training.",
    )


@pytest.mark.parametrize("split", ["image", "paper"])
def test_the_split_of_ayahoo_is_fixed_and_moved_by_its_seed(tmp_path: Path, split: str) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    first, same, other = (
        read_ayahoo(tmp_path, split=split, test_seed=seed).is_test_N  # type: ignore[arg-type]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_counts_of_ayahoo_are_compared_with_the_published_ones(tmp_path: Path) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    assert read_ayahoo(tmp_path).checks == (
        Check("classes", 12, 2),
        Check("attributes", 64, 64),
        Check("objects", 2644, 60),
        Check("images", 2237, 40),
        Check("train objects", 1850, 42),
        Check("test objects", 794, 18),
    )


def test_options_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(ConfigError, match="must be 'all' or 'one-per-image', but got 'some'"):
        read_apascal(nowhere, objects="some")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="must be 'image' or 'paper', but got 'row'"):
        read_ayahoo(nowhere, split="row")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="`test_seed` must be a whole number"):
        read_ayahoo(nowhere, test_seed=-1)


@pytest.mark.parametrize(("read", "write", "table", "images"), READERS)
def test_windows_line_ends_blank_lines_and_wide_spaces_change_nothing(
    tmp_path: Path, read: Reader, write: Writer, table: Table, images: str
) -> None:
    write(tmp_path, table)
    for path in (tmp_path / "attribute_data").glob("*.txt"):
        text = path.read_bytes()
        if "names" not in path.name:
            text = text.replace(b" ", b"  \t")
        path.write_bytes(text.replace(b"\n", b" \r\n") + b"\r\n \r\n")
    archive = read(tmp_path)
    assert_reads_as(archive, table, images)
    assert archive.warnings == ()


BITS = " ".join("0" * 64)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"a.jpg beast0 1 1 9 9 {BITS} 0", "must have 70 fields, .* and this one has 71"),
        ("a.jpg beast0 1 1 9 9", "must have 70 fields, .* and this one has 6"),
        (f"a.jpg beats0 1 1 9 9 {BITS}", "'beats0' is none. Did you mean 'beast0'"),
        (f"a.jpg \ufffd\x00 1 1 9 9 {BITS}", "must be one of class_names.txt, and "),
        (f"a.jpg beast0 1 1 9 9.5 {BITS}", "A box must be four whole numbers"),
        (f"a.jpg beast0 1 -1 9 9 {BITS}", "A box must be four whole numbers"),
        (f"a.jpg beast0 0 1 9 9 {BITS}", "The pixels of a box must count from 1"),
        (f"a.jpg beast0 1 1 9 9 {BITS[:-1]}2", "Each attribute of an object must be 0 or 1"),
    ],
)
def test_a_malformed_line_is_named_with_its_rule(tmp_path: Path, text: str, rule: str) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    replace_line(tmp_path / YAHOO_FILE, 3, text)
    with pytest.raises(DataError, match=rule) as caught:
        read_ayahoo(tmp_path)
    assert f"but line 3 of {str(tmp_path / YAHOO_FILE)!r} reads 'a.jpg " in str(caught.value)


@pytest.mark.parametrize("name", ["class_names.txt", "attribute_names.txt"])
def test_a_name_that_comes_twice_is_an_error(tmp_path: Path, name: str) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    path = tmp_path / "attribute_data" / name
    first = path.read_text().splitlines()[0]
    replace_line(path, 2, first)
    with pytest.raises(DataError, match=f"Each name of {name} must be given once.* line 1 already"):
        read_ayahoo(tmp_path)


@pytest.mark.parametrize(
    "name", ["class_names.txt", "attribute_names.txt", "apascal_train.txt", "apascal_test.txt"]
)
def test_a_missing_file_is_named_with_the_layout(tmp_path: Path, name: str) -> None:
    write_apascal(tmp_path, APASCAL)
    (tmp_path / "attribute_data" / name).unlink()
    with pytest.raises(DataError) as caught:
        read_apascal(tmp_path)
    assert f"{name!r} of aPascal and aYahoo was not found" in str(caught.value)
    assert repr(str(tmp_path / "attribute_data" / name)) in str(caught.value)
    assert "unpacks to:\n  attribute_data/\n" in str(caught.value)


def test_aYahoo_needs_no_file_of_aPascal(tmp_path: Path) -> None:
    write_apascal(tmp_path, APASCAL)
    with pytest.raises(DataError, match=r"'ayahoo_test\.txt' of aPascal and aYahoo was not found"):
        read_ayahoo(tmp_path)


def test_a_root_that_does_not_exist_is_not_mended_by_its_parent(tmp_path: Path) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    with pytest.raises(DataError, match="`root` must be the folder of aPascal and aYahoo, but"):
        read_ayahoo(tmp_path / "typo")


def test_voc_may_be_unpacked_without_its_outer_folder(tmp_path: Path) -> None:
    write_apascal(tmp_path, APASCAL)
    (tmp_path / "VOCdevkit" / "VOC2008").rename(tmp_path / "VOC2008")
    assert_reads_as(read_apascal(tmp_path), APASCAL, "VOC2008/JPEGImages")


def test_yahoo_images_may_lie_beside_the_lines(tmp_path: Path) -> None:
    write_ayahoo(tmp_path, AYAHOO)
    (tmp_path / YAHOO_IMAGES).rename(tmp_path / "attribute_data" / YAHOO_IMAGES)
    assert_reads_as(read_ayahoo(tmp_path), AYAHOO, f"attribute_data/{YAHOO_IMAGES}")


def test_images_that_are_missing(tmp_path: Path) -> None:
    write_apascal(tmp_path, APASCAL)
    (tmp_path / VOC_IMAGES / APASCAL.files[0]).unlink()
    archive = read_apascal(tmp_path)
    assert_reads_as(archive, APASCAL, VOC_IMAGES)
    (warning,) = archive.warnings
    assert "apascal_test.txt names and that are missing (1 of 12): " in warning
    assert f": {VOC_IMAGES}/{APASCAL.files[0]}. " in warning
    for path in (tmp_path / VOC_IMAGES).iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"Of the 12 images that .* none was found"):
        read_apascal(tmp_path)
    (tmp_path / VOC_IMAGES).rmdir()
    with pytest.raises(DataError, match="VOC2008/JPEGImages' of aPascal and aYahoo was not found"):
        read_apascal(tmp_path)


words = st.text("abcXYZ019_.+-é", min_size=1, max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    class_names = tuple(draw(st.lists(words, min_size=1, max_size=4, unique=True)))
    spaced = st.text("abX01./ ", min_size=1, max_size=6).map(str.strip).filter(bool)
    attribute_names = draw(st.lists(spaced, min_size=1, max_size=5, unique=True))
    names = draw(st.lists(words, min_size=2, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    # Every class has an object, since a class without one is none of the archive's.
    labels_N = np.concatenate(
        [np.arange(len(class_names)), rng.integers(0, len(class_names), len(names))]
    )
    count = len(labels_N)
    boxes_N4 = rng.integers(0, 300, (count, 4)) + np.array([0, 0, 301, 301])
    return Table(
        class_names=class_names,
        attribute_names=tuple(attribute_names),
        files=tuple(f"{names[row % len(names)]}.jpg" for row in range(count)),
        labels_N=labels_N,
        is_test_N=np.arange(count) >= rng.integers(1, count),
        attributes_NA=rng.random((count, len(attribute_names))) < 0.5,
        boxes_N4=boxes_N4.astype(np.float64),
    )


@settings(max_examples=20, deadline=None)
@given(table=tables())
def test_any_table_reads_as_written(table: Table) -> None:
    assert len(farhadi_lines(table)) == len(table.files)
    with tempfile.TemporaryDirectory() as folder:
        archive = read_apascal(write_apascal(Path(folder) / "p", table))
        assert_reads_as(archive, table, VOC_IMAGES)
        np.testing.assert_array_equal(archive.is_test_N, table.is_test_N)
        assert_reads_as(read_ayahoo(write_ayahoo(Path(folder) / "y", table)), table, YAHOO_IMAGES)
