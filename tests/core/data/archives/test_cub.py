"""CUB-200-2011: its layout, its odd lines, and what is refused."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.archives import Check, cub_attributes, read_cub
from core.data.archives.files import Layout
from core.errors import ConfigError, DataError
from tests.core.data.archives_on_disk import (
    Table,
    assert_reads_as,
    replace_line,
    small_table,
    write_cub,
    write_images,
)

TABLE = small_table("cub", num_classes=3, images_per_class=4, num_attributes=5)
LABELS = "attributes/image_attribute_labels.txt"


@pytest.mark.parametrize("given_root", ["CUB_200_2011", "."])
def test_a_clean_archive_reads_as_written(tmp_path: Path, given_root: str) -> None:
    folder = write_cub(tmp_path, TABLE)
    archive = read_cub(tmp_path / given_root)
    assert_reads_as(archive, TABLE, "images")
    np.testing.assert_array_equal(archive.is_test_N, TABLE.is_test_N)
    assert archive.root == folder
    assert archive.warnings == ()
    assert (archive.name, archive.crops, archive.attributes_per_class) == ("cub", False, False)


def test_a_relative_root_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_cub(tmp_path, TABLE))
    assert_reads_as(read_cub("."), TABLE, "images")


def test_counts_are_compared_with_the_published_ones(tmp_path: Path) -> None:
    checks = read_cub(write_cub(tmp_path, TABLE)).checks
    assert checks == (
        Check("images", 11788, 12),
        Check("classes", 200, 3),
        Check("attributes", 312, 5),
        Check("train images", 5994, 6),
        Check("test images", 5794, 6),
    )
    assert not any(check.agrees for check in checks)


def test_further_columns_and_double_spaces_lose_no_label(tmp_path: Path) -> None:
    table = small_table("cub", num_classes=2, images_per_class=2, num_attributes=12)
    folder = write_cub(tmp_path, table, odd_images=(2, 3))
    assert (folder / LABELS).read_text().splitlines()[21].split(" ")[3:] == ["3", "0", "", "1.509"]
    assert_reads_as(read_cub(folder), table, "images")


def test_the_published_odd_lines(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("2275 9 1 3 2.5\n2275 10 0 1 0  1.509\n9364 9 0 4 0 0  3.1\n9364  10 1 2 1\n")
    labels = cub_attributes.read_attribute_labels(path, (2275, 9364), (9, 10), Layout("CUB", ""))
    assert labels.present_NA.tolist() == [[True, False], [False, True]]
    assert labels.certainty_NA.tolist() == [[3, 1], [4, 2]]


@pytest.mark.parametrize("place", ["attributes.txt", "attributes/attributes.txt"])
def test_attribute_names_may_lie_inside(tmp_path: Path, place: str) -> None:
    folder = write_cub(tmp_path, TABLE)
    (tmp_path / "attributes.txt").rename(folder / place)
    archive = read_cub(folder)
    assert_reads_as(archive, TABLE, "images")
    assert archive.warnings == ()


def test_of_several_files_of_attribute_names_the_nearest_is_read_and_said(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    (folder / "attributes.txt").write_text((tmp_path / "attributes.txt").read_text())
    (tmp_path / "attributes.txt").write_text("1 has_wheels\n")
    archive = read_cub(folder)
    assert archive.attribute_names == TABLE.attribute_names
    (warning,) = archive.warnings
    assert str(folder / "attributes.txt") in warning
    assert str(tmp_path / "attributes.txt") in warning


def test_min_certainty_drops_what_is_less_certain(tmp_path: Path) -> None:
    certainties_NA = np.arange(TABLE.attributes_NA.size).reshape(TABLE.attributes_NA.shape) % 4 + 1
    folder = write_cub(tmp_path, TABLE, certainties_NA=certainties_NA)
    np.testing.assert_array_equal(read_cub(folder).attributes_NA, TABLE.attributes_NA)
    for certainty in (1, 2, 3, 4):
        np.testing.assert_array_equal(
            read_cub(folder, min_certainty=certainty).attributes_NA,
            TABLE.attributes_NA & (certainties_NA >= certainty),
        )
    assert (TABLE.attributes_NA & (certainties_NA < 4)).any()


@pytest.mark.parametrize("certainty", [0, 5, "3"])
def test_min_certainty_is_one_of_four(tmp_path: Path, certainty: int) -> None:
    with pytest.raises(ConfigError, match=r"`min_certainty` must be 1 .* or None, but got "):
        read_cub(tmp_path, min_certainty=certainty)


def test_classes_keep_the_order_of_their_file(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    lines = (folder / "classes.txt").read_text().splitlines()
    (folder / "classes.txt").write_text("\n".join(reversed(lines)) + "\n")
    archive = read_cub(folder)
    assert archive.class_names == TABLE.class_names[::-1]
    np.testing.assert_array_equal(archive.labels_N, 2 - TABLE.labels_N)


def test_lines_may_come_in_any_order_and_ids_need_not_be_contiguous(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    rng = np.random.default_rng(0)
    paths = [folder / name for name in ("image_class_labels.txt", "train_test_split.txt")]
    for path in [*paths, folder / "bounding_boxes.txt", folder / LABELS, folder / "images.txt"]:
        lines = []
        for line in path.read_text().splitlines():
            identity, rest = line.split(maxsplit=1)
            lines.append(f"{1000 - 7 * int(identity)} {rest}")
        if path.name != "images.txt":  # which gives the rows their order
            lines = [lines[place] for place in rng.permutation(len(lines))]
        path.write_text("\n".join(lines) + "\n")
    assert_reads_as(read_cub(folder), TABLE, "images")


def test_ids_may_be_large(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(f"{2**40} 1 1 3 2.5\n7 1 0 4 2.5\n")
    labels = cub_attributes.read_attribute_labels(path, (2**40, 7), (1,), Layout("CUB", ""))
    assert labels.present_NA.tolist() == [[True], [False]]


def test_rows_have_the_order_of_images_txt(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    lines = (folder / "images.txt").read_text().splitlines()
    (folder / "images.txt").write_text("\n".join(reversed(lines)) + "\n")
    archive = read_cub(folder)
    assert archive.files == tuple(f"images/{file}" for file in reversed(TABLE.files))
    np.testing.assert_array_equal(archive.attributes_NA, TABLE.attributes_NA[::-1])
    np.testing.assert_array_equal(archive.boxes_N4, TABLE.boxes_N4[::-1])


def test_windows_line_ends_and_blank_lines_change_nothing(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE, odd_images=(3,))
    for path in [tmp_path / "attributes.txt", *folder.rglob("*.txt")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n \r\n\r\n")
    archive = read_cub(folder)
    assert_reads_as(archive, TABLE, "images")
    assert archive.warnings == ()


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    for path in folder.rglob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert_reads_as(read_cub(folder), TABLE, "images")


def test_names_may_hold_spaces(tmp_path: Path) -> None:
    files = tuple(file.replace("_0000_", " 0000 ") for file in TABLE.files)
    names = ("001.Crested Auklet", *TABLE.class_names[1:])
    table = TABLE.but(files=files, class_names=names)
    assert_reads_as(read_cub(write_cub(tmp_path, table)), table, "images")


def test_a_box_without_area_is_the_whole_image_and_named(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    replace_line(folder / "bounding_boxes.txt", 2, "2 5.0 6.0 0.0 9.0")
    archive = read_cub(folder)
    assert archive.boxes_N4 is not None
    assert np.isnan(archive.boxes_N4).all(axis=1).tolist() == [row == 1 for row in range(12)]
    (warning,) = archive.warnings
    assert warning == (
        "Boxes of bounding_boxes.txt without area are taken as the whole image (1): "
        f"images/{TABLE.files[1]}."
    )


def test_fractions_of_a_pixel_are_kept(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    replace_line(folder / "bounding_boxes.txt", 1, "1 1.5 2.25 10.0 3.5")
    boxes_N4 = read_cub(folder).boxes_N4
    assert boxes_N4 is not None
    assert boxes_N4[0].tolist() == [1.5, 2.25, 11.5, 5.75]


def test_a_class_without_images_is_told(tmp_path: Path) -> None:
    table = TABLE.but(class_names=(*TABLE.class_names, "004.Dodo"))
    archive = read_cub(write_cub(tmp_path, table))
    assert archive.warnings == ("Classes of classes.txt without an image (1): 004.Dodo.",)


@pytest.mark.parametrize(
    ("name", "number", "text", "rule"),
    [
        ("images.txt", 3, "3", "must read <id> <folder/file.jpg>"),
        ("images.txt", 3, "three a/b.jpg", "must read <id> <folder/file.jpg>"),
        ("images.txt", 3, "-3 a/b.jpg", "must read <id> <folder/file.jpg>"),
        ("images.txt", 3, "2 a/b.jpg", "must stand on one line, 2 stands on line 2 already"),
        ("images.txt", 3, f"3 {TABLE.files[0]}", "must be given once, .* on line 1 already"),
        ("classes.txt", 2, "2 001.Made_up_Bird_0", "must be given once, '001.Made_up_Bird_0'"),
        ("image_class_labels.txt", 4, "4 9", "must read <image> <class>, the class an id of"),
        ("image_class_labels.txt", 4, "4 1 1", "must read <image> <class>"),
        ("image_class_labels.txt", 12, "13 1", r"must be one of images\.txt"),
        ("train_test_split.txt", 5, "5 2", "must read <image> <1 = train, 0 = test>"),
        ("bounding_boxes.txt", 1, "1 60.0 27.0 325.0", "must read <image> <x> <y> <width>"),
        ("bounding_boxes.txt", 1, "1 60.0 27.0 325.0 nan", "must read <image> <x> <y> <width>"),
        (LABELS, 7, "2 2 0", "must open with <image> <attribute> <present"),
        (LABELS, 7, "2 2 2 3 1.0", "must open with <image> <attribute> <present"),
        (LABELS, 7, "2 2 0 5 1.0", "must open with <image> <attribute> <present"),
        (LABELS, 7, "2 6 0 3 1.0", "must open with <image> <attribute> <present"),
        (LABELS, 7, "99 2 0 3 1.0", "must open with <image> <attribute> <present"),
        (LABELS, 7, "2 2  0 0 1.0", "must open with <image> <attribute> <present"),
        (LABELS, 7, "2 2 0x1 3 1.0", "must open with <image> <attribute> <present"),
        (LABELS, 7, "2 2 x 3 1.0", "must open with <image> <attribute> <present"),
    ],
)
def test_a_malformed_line_is_named_with_its_rule(
    tmp_path: Path, name: str, number: int, text: str, rule: str
) -> None:
    folder = write_cub(tmp_path, TABLE)
    replace_line(folder / name, number, text)
    with pytest.raises(DataError, match=rule) as caught:
        read_cub(folder)
    assert str(caught.value).endswith(
        f"but line {number} of {str(folder / name)!r} reads {text!r}."
    )


@pytest.mark.parametrize("name", ["image_class_labels.txt", "bounding_boxes.txt"])
def test_an_image_that_a_file_leaves_out_is_an_error(tmp_path: Path, name: str) -> None:
    folder = write_cub(tmp_path, TABLE)
    replace_line(folder / name, 12, None)
    with pytest.raises(DataError, match=r"for each image of images\.txt, but 1 have none: 12 \(00"):
        read_cub(folder)


def test_an_attribute_that_is_not_annotated_is_an_error_and_no_false(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    replace_line(folder / LABELS, 8, None)
    message = "attribute 3 of image 2 has no line, as have 1 of 60 pairs in all.*unpack"
    with pytest.raises(DataError, match=message):
        read_cub(folder)


def test_an_image_without_any_annotation_is_an_error(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    lines = (folder / LABELS).read_text().splitlines(keepends=True)
    (folder / LABELS).write_text("".join(lines[:-5]))
    with pytest.raises(DataError, match="attribute 1 of image 12 has no line, as have 5 of 60"):
        read_cub(folder)


def test_an_attribute_that_is_annotated_twice_is_an_error(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    replace_line(folder / LABELS, 8, "2 3 1 3 1.0\n2 2 1 3 1.0")
    with pytest.raises(DataError, match="attribute 2 of image 2 has several lines, as have 1 "):
        read_cub(folder)


@pytest.mark.parametrize(
    "name",
    [
        "classes.txt",
        "image_class_labels.txt",
        "train_test_split.txt",
        "bounding_boxes.txt",
        LABELS,
        "../attributes.txt",
    ],
)
def test_a_missing_file_is_named_with_the_layout(tmp_path: Path, name: str) -> None:
    folder = write_cub(tmp_path, TABLE)
    (folder / name).unlink()
    with pytest.raises(DataError) as caught:
        read_cub(folder)
    message = str(caught.value)
    assert f"'{Path(name).name}' of CUB-200-2011 was not found" in message
    assert repr(str((folder / name).resolve())) in message
    assert "CUB-200-2011 unpacks to:\n  CUB_200_2011/\n" in message


def test_all_places_of_attribute_names_are_told(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    (tmp_path / "attributes.txt").unlink()
    with pytest.raises(DataError) as caught:
        read_cub(folder)
    for place in (folder, folder / "attributes", tmp_path):
        assert repr(str(place / "attributes.txt")) in str(caught.value)


def test_a_root_that_is_no_archive_and_one_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'images.txt' of CUB.* and .*_2011/images\.txt'"):
        read_cub(tmp_path)
    with pytest.raises(DataError, match=r"`root` must be the folder of CUB.*, but '.*/typo'"):
        read_cub(tmp_path / "typo")


def test_empty_files_and_files_that_are_no_text(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    (folder / LABELS).write_text("")
    with pytest.raises(DataError, match="attribute 1 of image 1 has no line, as have 60 of 60"):
        read_cub(folder)
    (folder / "classes.txt").write_text("\n\n")
    with pytest.raises(DataError, match=r"classes.txt' must have lines, but is empty"):
        read_cub(folder)
    (folder / "classes.txt").write_bytes(b"1 ab\xff\n")
    with pytest.raises(DataError, match="must be UTF-8 text, but has the byte 0xff at position 4"):
        read_cub(folder)


@pytest.mark.parametrize("line", [b"2 2 0 3 \xff 1.0", b"2 2 \xff 3 1.0"])
def test_bytes_that_are_no_text_among_the_labels(tmp_path: Path, line: bytes) -> None:
    folder = write_cub(tmp_path, TABLE)
    lines = (folder / LABELS).read_bytes().splitlines()
    (folder / LABELS).write_bytes(b"\n".join([*lines[:6], line, *lines[7:]]))
    with pytest.raises(DataError, match=r"must open with .* but line 7 of .* reads '2 2 "):
        read_cub(folder)


def test_missing_images_are_counted_and_named_and_their_rows_stay(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE)
    shutil.rmtree(folder / "images" / TABLE.class_names[1])
    archive = read_cub(folder)
    assert_reads_as(archive, TABLE, "images")
    (warning,) = archive.warnings
    assert warning.startswith("Images that images.txt names and that are missing (4 of 12): ")
    assert f"images/{TABLE.files[4]}, " in warning


def test_no_image_at_all_is_an_error(tmp_path: Path) -> None:
    folder = write_cub(tmp_path, TABLE, images=False)
    with pytest.raises(DataError, match=r"Of the 12 images that images\.txt names, none .*unpacks"):
        read_cub(folder)
    write_images(folder / "images", TABLE.files[:1])
    assert "missing (11 of 12)" in read_cub(folder).warnings[0]


words = st.text("abcXYZ019_.()+-é", min_size=1, max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    class_names = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    attribute_names = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    names = draw(st.lists(words, min_size=1, max_size=6, unique=True))
    count = len(names)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    corners_N4 = rng.integers(0, 300, (count, 4)) + np.array([0, 0, 301, 301])
    return Table(
        class_names=tuple(class_names),
        attribute_names=tuple(attribute_names),
        files=tuple(f"folder/{name}.jpg" for name in names),
        labels_N=rng.integers(0, len(class_names), count),
        is_test_N=rng.random(count) < 0.5,
        attributes_NA=rng.random((count, len(attribute_names))) < 0.5,
        boxes_N4=corners_N4.astype(np.float64),
    )


@settings(max_examples=20, deadline=None)
@given(table=tables(), odd=st.sets(st.integers(1, 6)))
def test_any_table_reads_as_written(table: Table, odd: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = read_cub(write_cub(Path(folder), table, odd_images=tuple(odd)))
    assert_reads_as(archive, table, "images")
    np.testing.assert_array_equal(archive.is_test_N, table.is_test_N)


fields = st.sampled_from(
    ["1", "2", "3", "0", "4", "7", "", "x", "1.5", "-1", "1_0", "NA", "0x1", "+1", "01"]
)
lines = st.lists(st.lists(fields, max_size=8).map(" ".join), max_size=6)


@settings(max_examples=150, deadline=None)
@given(texts=lines, end=st.sampled_from(["\n", "\r\n"]))
def test_reading_in_bulk_says_what_reading_line_by_line_says(texts: list[str], end: str) -> None:
    content = "".join(text + end for text in texts).encode()
    in_bulk = cub_attributes._read_columns(content)
    ids = range(8)
    try:
        slow = cub_attributes.read_line_by_line(content, Path("labels.txt"), ids, ids)
    except DataError:
        assert in_bulk is None or not cub_attributes._are_lawful(in_bulk, ids, ids)
    else:
        if in_bulk is not None:
            fast_rows = sorted(zip(*(column.tolist() for column in in_bulk), strict=True))
            assert fast_rows == sorted(zip(*(column.tolist() for column in slow), strict=True))
