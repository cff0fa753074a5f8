"""What --data says: which data set lies where."""

import argparse
from pathlib import Path

import pytest

from core.data.packed import pack
from core.errors import ConfigError, DataError
from sweep.cli._flags import places_from, settle_dataset
from sweep.engine.data import parse_places, split_place
from tests.core.data.packing import make_archive


@pytest.fixture
def birds(tmp_path: Path) -> str:
    """A packed set of that name, in a folder of another."""
    pack(make_archive(tmp_path, 8), tmp_path / "put=here", num_workers=1)
    return str(tmp_path / "put=here")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cub=packed/cub", ("cub", "packed/cub")),
        ("my-birds.2=x=y", ("my-birds.2", "x=y")),
        ("packed/cub", (None, "packed/cub")),
        ("packed/size=64", (None, "packed/size=64")),
        ("s3://bucket/size=64", (None, "s3://bucket/size=64")),
        ("birds=s3://bucket/x", ("birds", "s3://bucket/x")),
    ],
)
def test_a_name_stands_before_the_first_sign(text: str, expected: tuple[str | None, str]) -> None:
    assert split_place(text) == expected


def test_a_path_that_is_there_is_no_name(birds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(birds).parent)
    assert split_place("put=here") == (None, "put=here")
    assert parse_places(["put=here"], None) == {"birds": "put=here"}
    assert parse_places(["put=here"], "crows") == {"crows": "put=here"}, "as --dataset says"


def given(*data: str, dataset: str | None = None) -> argparse.Namespace:
    return argparse.Namespace(data=list(data), dataset=dataset)


def test_a_bare_path_alone_is_what_is_trained_on(birds: str) -> None:
    options = given(birds, "cub=elsewhere")
    settle_dataset(options)
    assert options.dataset == "birds"
    assert places_from(options) == {"birds": birds, "cub": "elsewhere"}
    for options in (given(), given("birds=" + birds)):
        settle_dataset(options)
        assert options.dataset == "digits"


def test_two_bare_paths_need_a_data_set(birds: str) -> None:
    with pytest.raises(ConfigError, match="say with --dataset which to train on, and give the"):
        settle_dataset(given(birds, birds))
    options = given(birds, dataset="birds")
    settle_dataset(options)
    assert options.dataset == "birds"
    with pytest.raises(ConfigError, match="gives 'birds' two places"):
        places_from(given(birds, f"birds={birds}", dataset="birds"))


def test_a_place_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no manifest.json, .* core.data.pack folder --root"):
        settle_dataset(given(str(tmp_path)))
