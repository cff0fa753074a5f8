"""Manifest, open_table, read_columns and verify: what they refuse, and with what words."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.archives import Check
from core.data.packed import Manifest, Shard, Skipped, open_table, pack, read_columns, verify
from core.data.packed._manifest import read_manifest
from core.data.packed._place import Place
from core.errors import ConfigError, DataError
from tests.core.data.packing import make_archive

SHARD = "shards/shard-00001.arrow"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    pack(
        make_archive(folder / "archive"),
        folder / "out",
        num_workers=1,
        rows_per_shard=8,
        options={"objects": "all"},
    )
    return folder / "out"


@pytest.fixture
def packed(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "packed"))


def edit(packed: Path, **changes: Any) -> None:
    path = packed / "manifest.json"
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in document.items() if value != "gone"}))


def test_what_is_written_is_what_is_read(whole: Path) -> None:
    document = json.loads((whole / "manifest.json").read_text())
    assert list(document) == [
        "format",
        "version",
        "name",
        "class_names",
        "attribute_names",
        "attributes_per_class",
        "shorter_side",
        "num_rows",
        "num_train",
        "num_test",
        "shards",
        "skipped",
        "checks",
        "warnings",
        "options",
        "fingerprint",
    ]
    assert (document["format"], document["version"]) == ("intersection-packed", 1)
    manifest = Manifest.read(whole)
    assert json.loads(manifest.to_json()) == document
    assert manifest.options == {"objects": "all"}
    assert manifest.num_bytes == sum(path.stat().st_size for path in whole.rglob("*.arrow"))
    assert Manifest.read(whole.as_uri()).fingerprint == manifest.fingerprint


texts = st.text(max_size=9)


@given(
    name=texts,
    names=st.lists(texts, max_size=3),
    rows=st.lists(st.integers(0, 99), max_size=4),
    skipped=st.lists(st.builds(Skipped, st.integers(0), texts, texts), max_size=3),
    checks=st.lists(st.builds(Check, texts, st.integers(0), st.integers(0)), max_size=3),
    shorter_side=st.none() | st.integers(1, 999),
)
def test_any_manifest_survives_json(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    names: list[str],
    rows: list[int],
    skipped: list[Skipped],
    checks: list[Check],
    shorter_side: int | None,
) -> None:
    manifest = Manifest(
        name=name,
        class_names=tuple(names),
        attribute_names=tuple(names[::-1]),
        attributes_per_class=len(names) > 1,
        shorter_side=shorter_side,
        num_rows=sum(rows),
        num_train=sum(rows[1:]),
        num_test=sum(rows[:1]),
        shards=tuple(Shard(f"shards/{i}", n, n + 9, f"{n:064x}") for i, n in enumerate(rows)),
        skipped=tuple(skipped),
        checks=tuple(checks),
        warnings=tuple(names),
        options={"a": names, "b": shorter_side},
    )
    place = Place.of(tmp_path_factory.getbasetemp())
    place.write("manifest.json", manifest.to_json())
    again = read_manifest(place)
    assert vars(again) == vars(manifest)


def test_counts_that_contradict_each_other_are_refused(packed: Path) -> None:
    edit(packed, num_test=4)
    with pytest.raises(DataError, match="the shards hold 20 rows, and 15 of train and 4 of test"):
        Manifest.read(packed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "webdataset"}, "must have the format 'intersection-packed', but has 'webdata"),
        ({"format": "gone"}, "but has None"),
        ({"version": 2}, "must have version 1, which this program reads, but has 2. Pack anew"),
        ({"class_names": "gone"}, "must have the key 'class_names', but has not"),
        ({"class_names": 3}, "is malformed: 'int' object is not iterable"),
        ({"shards": [{"file": "a"}]}, "is malformed: "),
        ({"num_rows": "many"}, "is malformed: invalid literal"),
        ({"name": "cub"}, "was changed since it was written"),
        ({"fingerprint": "gone"}, "was changed since it was written: its fingerprint is None"),
    ],
)
def test_manifests_of_others_are_refused(
    packed: Path, changes: dict[str, Any], message: str
) -> None:
    edit(packed, **changes)
    with pytest.raises(DataError) as refused:
        Manifest.read(packed)
    assert message in str(refused.value)
    assert repr(str(packed)) in str(refused.value) or "num_rows" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"3"])
def test_what_is_no_manifest_is_refused(packed: Path, content: bytes) -> None:
    (packed / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"must be JSON, but is not|but has None"):
        Manifest.read(packed)


def test_a_folder_without_a_manifest_is_no_packed_dataset(packed: Path) -> None:
    (packed / "manifest.json").unlink()
    for read in (Manifest.read, open_table, verify, lambda path: read_columns(path, ["label"])):
        with pytest.raises(DataError, match=r"has no manifest\.json.*run the same command again"):
            read(packed)
    for path in (packed / "absent", packed / "job.json"):
        with pytest.raises(DataError, match=r"has no manifest\.json"):
            Manifest.read(path)


def test_a_uri_of_no_filesystem_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'nfs://host/x' must be a local folder or a URI"):
        Manifest.read("nfs://user:secret@host/x")
    with pytest.raises(ConfigError) as refused:
        open_table("s3://key:secret@bucket/x?endpoint_override=127.0.0.1:1&scheme=http")
    assert "'s3://bucket/x' is not on this machine: `localize` it first" in str(refused.value)


def shard_of_other_columns(path: Path) -> None:
    size = path.stat().st_size
    table = pa.table({"image": [b"a"]})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "bytes, but is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, but has "),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "bytes, but has "),
        (lambda path: path.write_bytes(b"\0" * path.stat().st_size), "must be an Arrow file, but"),
        (shard_of_other_columns, "must be an Arrow file, but"),
    ],
    ids=["missing", "short", "long", "zeros", "no footer"],
)
def test_a_damaged_shard_is_named(
    packed: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(packed / SHARD)
    for read in (open_table, lambda path: read_columns(path, ["label"])):
        with pytest.raises(DataError) as refused:
            read(packed)
        assert str(refused.value).startswith(f"{SHARD} in {str(packed)!r} must ")
        assert message in str(refused.value)


def rewrite(packed: Path, table: pa.Table) -> None:
    """Put another table into a shard, and its size into the manifest; the fingerprint stays."""
    path = packed / SHARD
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    shards = json.loads((packed / "manifest.json").read_text())["shards"]
    shards[1]["bytes"] = path.stat().st_size
    edit(packed, shards=shards)


def test_a_shard_with_other_columns_or_rows_is_named(packed: Path) -> None:
    # Not mapped: the file is written over below.
    table = pa.ipc.open_file(pa.BufferReader((packed / SHARD).read_bytes())).read_all()
    rewrite(packed, table.slice(1))
    with pytest.raises(DataError, match=rf"{SHARD} in .* must have 8 rows, but has 7"):
        open_table(packed)
    with pytest.raises(DataError, match="must have 8 rows, but has 7"):
        read_columns(packed, ["label"])
    rewrite(packed, table.drop_columns("width"))
    with pytest.raises(DataError, match=rf"{SHARD} in .* must have the columns image"):
        open_table(packed)


def test_a_flipped_bit_is_found_by_verify(packed: Path) -> None:
    verify(packed)
    path = packed / SHARD
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{SHARD} in .* must have the SHA-256 .* is damaged"):
        verify(packed)


def test_some_columns_are_read_in_the_order_asked_for(whole: Path) -> None:
    table = read_columns(whole, ["is_test", "label", "attributes"])
    assert table.schema.names == ["is_test", "label", "attributes"]
    assert table.equals(open_table(whole).select(["is_test", "label", "attributes"]))
