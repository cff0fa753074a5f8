"""AwA2: its layout, its matrices, its folders, and a split that is ours."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.archives import Check, read_awa2
from core.data.splits import smaller_part, stratified_group_holdout
from core.errors import ConfigError, DataError
from tests.core.data.archives_on_disk import (
    Table,
    assert_reads_as,
    replace_line,
    small_table,
    write_awa2,
)

TABLE = small_table("awa2", num_classes=3, images_per_class=10, num_attributes=4)


@pytest.mark.parametrize("given_root", ["Animals_with_Attributes2", "."])
def test_a_clean_archive_reads_as_written(tmp_path: Path, given_root: str) -> None:
    folder = write_awa2(tmp_path, TABLE)
    archive = read_awa2(tmp_path / given_root)
    assert_reads_as(archive, TABLE, "JPEGImages")
    assert archive.root == folder
    assert archive.warnings == ()
    assert (archive.name, archive.crops, archive.attributes_per_class) == ("awa2", False, True)


def test_names_with_a_plus_are_the_folders_names(tmp_path: Path) -> None:
    archive = read_awa2(write_awa2(tmp_path, TABLE))
    assert archive.class_names == ("z0+bear", "y1+bear", "x2+bear")  # not sorted as folders are
    assert archive.files[10] == "JPEGImages/y1+bear/y1+bear_10001.jpg"
    assert all((archive.root / file).is_file() for file in archive.files)


def test_counts_are_compared_with_the_published_ones(tmp_path: Path) -> None:
    checks = read_awa2(write_awa2(tmp_path, TABLE)).checks
    assert checks == (
        Check("images", 37322, 30),
        Check("classes", 50, 3),
        Check("attributes", 85, 4),
        Check("train images", 26125, 21),
        Check("test images", 11197, 9),
    )


def test_the_split_has_the_published_sizes_at_the_published_count() -> None:
    labels_N = np.sort(np.random.default_rng(0).integers(0, 50, 37322))
    rows_N = np.arange(37322)
    is_test_N = stratified_group_holdout(labels_N, rows_N, smaller_part(37322), seed=0)
    assert np.bincount(is_test_N).tolist() == [26125, 11197]
    shares_K = np.bincount(labels_N, weights=is_test_N) / np.bincount(labels_N)
    assert np.abs(shares_K - 0.3).max() < 0.5 / np.bincount(labels_N).min() * 2


def test_the_split_is_stratified_fixed_and_moved_by_its_seed_alone(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    first, same, other = (read_awa2(folder, test_seed=seed) for seed in (0, 0, 1))
    assert np.bincount(first.labels_N[first.is_test_N]).tolist() == [3, 3, 3]
    np.testing.assert_array_equal(first.is_test_N, same.is_test_N)
    np.testing.assert_array_equal(first.is_test_N, read_awa2(folder).is_test_N)
    assert not np.array_equal(first.is_test_N, other.is_test_N)
    assert np.flatnonzero(first.is_test_N).tolist() == [2, 4, 6, 11, 13, 19, 21, 22, 28]


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_the_seed_is_a_whole_number(tmp_path: Path, seed: int) -> None:
    with pytest.raises(ConfigError, match="`test_seed` must be a whole number of at least 0"):
        read_awa2(tmp_path, test_seed=seed)


def test_white_space_of_any_width_parts_the_values(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    for name in ("predicate-matrix-binary.txt", "predicate-matrix-continuous.txt"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(" ", "  \t ").replace("\n", "   \n"))
    assert_reads_as(read_awa2(folder), TABLE, "JPEGImages")


def test_windows_line_ends_and_blank_lines_change_nothing(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    for path in folder.glob("*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n \r\n")
    archive = read_awa2(folder)
    assert_reads_as(archive, TABLE, "JPEGImages")
    assert archive.warnings == ()


def test_values_that_the_continuous_matrix_lacks_are_told(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    replace_line(folder / "predicate-matrix-continuous.txt", 2, "   -1.00  3.5 -1.00   70.00")
    replace_line(folder / "predicate-matrix-binary.txt", 2, "0 0 1 1")
    archive = read_awa2(folder)
    assert archive.attributes_NA[10].tolist() == [False, False, True, True]
    (warning,) = archive.warnings
    assert "Values of predicate-matrix-continuous.txt that are missing, -1 (2 of 12): " in warning
    assert "'y1+bear' with 'predicate0', 'y1+bear' with 'predicate2'. " in warning
    assert "gives 1 of them as present and the others as absent" in warning


def test_the_continuous_matrix_is_not_needed(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    (folder / "predicate-matrix-continuous.txt").unlink()
    assert_reads_as(read_awa2(folder), TABLE, "JPEGImages")


def test_what_does_not_fit_the_classes_is_left_out_and_told(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    shutil.copytree(folder / "JPEGImages" / "z0+bear", folder / "JPEGImages" / "grizzly bear")
    (folder / "JPEGImages" / "z0+bear" / "Thumbs.db").write_bytes(b"")
    archive = read_awa2(folder)
    assert_reads_as(archive, TABLE, "JPEGImages")
    (warning,) = archive.warnings
    assert warning.startswith("Entries of JPEGImages that are no class of classes.txt or no .jpg")
    assert warning.endswith(" (2): grizzly bear, z0+bear/Thumbs.db.")


def test_a_class_without_images_is_told(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    shutil.rmtree(folder / "JPEGImages" / "y1+bear")
    archive = read_awa2(folder)
    assert archive.class_names == TABLE.class_names
    np.testing.assert_array_equal(archive.labels_N, np.repeat([0, 2], 10))
    message = "Classes of classes.txt without an image in JPEGImages (1): y1+bear."
    assert archive.warnings == (message,)


def test_no_image_at_all_is_an_error(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE, images=False)
    with pytest.raises(DataError, match=r"'JPEGImages' of AwA2 was not found.*unpacks to:\n"):
        read_awa2(folder)
    (folder / "JPEGImages").mkdir()
    with pytest.raises(DataError, match=r"looked for '.*/JPEGImages/z0\+bear/\*\.jpg'"):
        read_awa2(folder)


BINARY, CONTINUOUS = "predicate-matrix-binary.txt", "predicate-matrix-continuous.txt"


@pytest.mark.parametrize(
    ("name", "number", "text", "rule"),
    [
        ("classes.txt", 2, "2", "must read <index><tab><name>"),
        ("classes.txt", 2, "4\ty1+bear", r"must count 1, 2, 3, \.\.\."),
        ("classes.txt", 2, "2\tz0+bear", "must be given once, 'z0.bear' stands on line 1 already"),
        ("predicates.txt", 1, "black", "must read <index><tab><name>"),
        (BINARY, 3, "0 1 1", "must have 4 values, one for each .* and this one has 3"),
        (BINARY, 3, "0 1 2 1", "Each value of predicate-matrix-binary.txt must be 0 or 1"),
        (CONTINUOUS, 1, "1.0 -2.0 3.0 4.0", "must be a number of at least 0, or -1 for missing"),
        (CONTINUOUS, 1, "1.0 nan 3.0 4.0", "must be a number of at least 0, or -1 for missing"),
    ],
)
def test_a_malformed_line_is_named_with_its_rule(
    tmp_path: Path, name: str, number: int, text: str, rule: str
) -> None:
    folder = write_awa2(tmp_path, TABLE)
    replace_line(folder / name, number, text)
    with pytest.raises(DataError, match=rule) as caught:
        read_awa2(folder)
    where = f"but line {number} of {str(folder / name)!r} reads {text!r}."
    assert str(caught.value).endswith(where)


def test_a_long_line_is_shown_in_part(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    replace_line(folder / BINARY, 3, " ".join("1" * 85))
    with pytest.raises(DataError, match=r"and this one has 85, but line 3 .*1 1 1 \.\.\.'\.$"):
        read_awa2(folder)


def test_a_matrix_without_a_class_is_an_error(tmp_path: Path) -> None:
    folder = write_awa2(tmp_path, TABLE)
    replace_line(folder / BINARY, 3, None)
    with pytest.raises(DataError, match=r"each of the 3 classes of classes\.txt, but has 2"):
        read_awa2(folder)


@pytest.mark.parametrize("name", ["classes.txt", "predicates.txt", BINARY])
def test_a_missing_file_is_named_with_the_layout(tmp_path: Path, name: str) -> None:
    folder = write_awa2(tmp_path, TABLE)
    (folder / name).unlink()
    with pytest.raises(DataError) as caught:
        read_awa2(folder)
    assert f"{name!r} of AwA2 was not found" in str(caught.value)
    assert repr(str(folder / name)) in str(caught.value)
    assert "AwA2 unpacks to:\n  Animals_with_Attributes2/\n" in str(caught.value)


words = st.text("abcXYZ019_+-é", min_size=1, max_size=6)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    class_names = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    attribute_names = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    counts = draw(st.lists(st.integers(1, 4), min_size=len(class_names), max_size=4))
    counts = counts[: len(class_names)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels_N = np.repeat(np.arange(len(class_names)), counts)
    return Table(
        class_names=tuple(class_names),
        attribute_names=tuple(attribute_names),
        files=tuple(
            f"{class_names[label]}/{class_names[label]}_{10001 + number}.jpg"
            for label, count in enumerate(counts)
            for number in range(count)
        ),
        labels_N=labels_N,
        is_test_N=np.zeros(len(labels_N), dtype=np.bool_),
        attributes_NA=(rng.random((len(class_names), len(attribute_names))) < 0.5)[labels_N],
    )


@settings(max_examples=20, deadline=None)
@given(table=tables())
def test_any_table_reads_as_written(table: Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = read_awa2(write_awa2(Path(folder), table))
    assert_reads_as(archive, table, "JPEGImages")
    # Of a class with few images none is left for the test part, but each keeps one for training.
    assert set(archive.labels_N[~archive.is_test_N]) == set(range(len(table.class_names)))
