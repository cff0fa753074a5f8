"""Archives by name, and the table that every reader gives."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.archives import ARCHIVES, READERS, Archive, Check, read_archive
from core.errors import ConfigError, DataError
from tests.core.data.archives_on_disk import small_table, write_archive


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_name_reads_the_archive_of_that_name(name: str, tmp_path: Path) -> None:
    archive = read_archive(name, write_archive(name, tmp_path))
    table = small_table(name)
    assert archive.name == name
    assert len(archive) == len(table.files)
    assert archive.class_names == table.class_names
    np.testing.assert_array_equal(archive.attributes_NA, table.attributes_NA)
    assert archive.is_test_N.dtype == np.bool_
    assert 0 < archive.is_test_N.sum() < len(archive)
    assert all((archive.root / file).is_file() for file in archive.files)


@pytest.mark.parametrize("name", ARCHIVES)
def test_root_may_be_a_string_and_is_given_back_absolute(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_archive(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    archive = read_archive(name, str(root.relative_to(tmp_path)))
    assert archive.root == root


def test_options_reach_the_reader(tmp_path: Path) -> None:
    write_archive("apascal", tmp_path)
    every = read_archive("apascal", tmp_path, objects="all")
    one = read_archive("apascal", tmp_path, objects="one-per-image")
    assert len(one) == len(set(every.files)) < len(every)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cubs", "'cubs' is none of 'cub', 'awa2', .*'parquet'. Did you mean 'cub'"),
        ("digits", "'digits' is none of .*'parquet'\\.$"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(
    name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_archive(name, tmp_path)


def test_an_unknown_option_is_refused_with_those_there_are(tmp_path: Path) -> None:
    message = "'splits' is no option of 'ayahoo', which has 'split', 'test_seed'. Did you mean"
    with pytest.raises(ConfigError, match=message):
        read_archive("ayahoo", tmp_path, splits="image")
    with pytest.raises(ConfigError, match="'split' is no option of 'cub', which has 'min_cer"):
        read_archive("cub", tmp_path, split="image")


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_wrong_root_is_told_with_the_layout(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"was not found: looked for .* unpacks to:\n  "):
        read_archive(name, tmp_path)


def test_options_are_keywords_with_a_default() -> None:
    for reader in READERS.values():
        _, *options = inspect.signature(reader).parameters.values()
        assert all(option.kind is option.KEYWORD_ONLY for option in options)
        assert all(option.default is not option.empty for option in options)


def archive(**changes: Any) -> Archive:
    columns: dict[str, Any] = {
        "name": "toy",
        "root": Path(),
        "class_names": ("a", "b"),
        "attribute_names": ("p",),
        "files": ("1.jpg", "2.jpg"),
        "boxes_N4": np.zeros((2, 4)),
        "crops": False,
        "labels_N": np.array([0, 1]),
        "is_test_N": np.array([False, True]),
        "attributes_NA": np.array([[True], [False]]),
        "attributes_per_class": False,
    }
    return Archive(**(columns | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": ("1.jpg",)}, "one row per object, but files has 1, labels_N has 2"),
        ({"boxes_N4": np.zeros((3, 4))}, "boxes_N4 has 3"),
        ({"boxes_N4": np.zeros((2, 3))}, r"must have four columns .* has shape \(2, 3\)"),
        ({"class_names": ("a",)}, r"must lie in \[0, 1\), but reach from 0 to 1"),
        ({"attribute_names": ("p", "q")}, r"2 attribute names, but attributes of shape \(2, 1\)"),
        (
            {
                "files": (),
                "boxes_N4": None,
                "labels_N": np.zeros(0, dtype=np.int64),
                "is_test_N": np.zeros(0, dtype=np.bool_),
                "attributes_NA": np.zeros((0, 1), dtype=np.bool_),
            },
            "must have rows, but has none",
        ),
    ],
)
def test_a_table_whose_columns_do_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    assert len(archive()) == 2
    with pytest.raises(DataError, match=message):
        archive(**changes)


def test_a_check_agrees_when_the_counts_are_equal() -> None:
    assert Check("images", 3, 3).agrees
    assert not Check("images", 3, 4).agrees
