"""Packing an archive: what is written, in what order, and what is gone on with."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.data.archives import Archive
from core.data.packed import Manifest, Progress, open_table, pack, packed_schema
from core.data.packed import _write as writer
from core.data.packed._lock import locked
from core.errors import ConfigError, DataError
from tests.core.data.packing import ATTRIBUTE_NAMES, files_below, make_archive

SMALL: dict[str, Any] = {"num_workers": 1, "rows_per_shard": 8, "shorter_side": 24}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return make_archive(tmp_path_factory.mktemp("archive"))


def damage(archive: Archive, *rows: int) -> None:
    for row in rows:
        (archive.root / archive.files[row]).write_bytes(b"no image")


def test_rows_keep_the_archives_order_and_values(archive: Archive, tmp_path: Path) -> None:
    manifest = pack(archive, tmp_path / "out", **SMALL)
    table = open_table(tmp_path / "out")
    assert table.schema.equals(packed_schema(len(ATTRIBUTE_NAMES)))
    assert table["row"].to_pylist() == list(range(20))
    assert table["file"].to_pylist() == list(archive.files)
    assert table["label"].to_pylist() == archive.labels_N.tolist()
    assert table["is_test"].to_pylist() == archive.is_test_N.tolist()
    assert table["attributes"].to_pylist() == archive.attributes_NA.tolist()
    assert table["height"].to_pylist() == [24, 32] * 10
    assert table["width"].to_pylist() == [32, 24] * 10
    for row in table.to_pylist():
        with Image.open(io.BytesIO(row["image"])) as image:
            assert image.size == (row["width"], row["height"])
    assert [shard.rows for shard in manifest.shards] == [8, 8, 4]
    assert (manifest.num_rows, manifest.num_train, manifest.num_test) == (20, 15, 5)
    assert (manifest.checks, manifest.warnings) == (archive.checks, archive.warnings)
    assert manifest.shorter_side == 24
    assert manifest.skipped == ()


def test_crops_are_stored_and_boxes_of_whole_images_are_not_applied(
    archive: Archive, tmp_path: Path
) -> None:
    boxes_N4 = np.tile([2.0, 3.0, 12.0, 23.0], (20, 1))
    boxes_N4[1] = np.nan
    whole = replace(archive, boxes_N4=boxes_N4)
    pack(replace(whole, crops=True), tmp_path / "crops", **SMALL | {"shorter_side": None})
    pack(whole, tmp_path / "whole", **SMALL | {"shorter_side": None})
    crops, images = open_table(tmp_path / "crops"), open_table(tmp_path / "whole")
    sides = list(zip(crops["width"].to_pylist(), crops["height"].to_pylist(), strict=True))
    assert sides == [(10, 20), (30, 40)] + [(10, 20)] * 18
    assert images["width"].to_pylist() == [40, 30] * 10
    first = (archive.root / archive.files[0]).read_bytes()
    assert images["image"][0].as_py() == first


def test_no_byte_depends_on_the_number_of_workers_or_the_place(
    archive: Archive, tmp_path: Path
) -> None:
    one = pack(archive, tmp_path / "one", **SMALL)
    two = pack(archive, tmp_path / "deep" / "two", **SMALL | {"num_workers": 2})
    assert one.fingerprint == two.fingerprint
    assert files_below(tmp_path / "one") == files_below(tmp_path / "deep" / "two")


@given(rows_per_shard=st.integers(1, 25), batch_bytes=st.integers(1, 20_000))
@settings(max_examples=8, deadline=None)
def test_rows_do_not_depend_on_shards_and_batches(
    archive: Archive,
    tmp_path_factory: pytest.TempPathFactory,
    rows_per_shard: int,
    batch_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "_BATCH_BYTES", batch_bytes)
        cut = pack(archive, folder / "cut", **SMALL | {"rows_per_shard": rows_per_shard})
    pack(archive, folder / "whole", **SMALL | {"rows_per_shard": 99})
    assert len(cut.shards) == -(-20 // rows_per_shard)
    assert open_table(folder / "cut").equals(open_table(folder / "whole"))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "bird"},
        {"class_names": ("auk", "bee", "crow")},
        {"attribute_names": ("a", "b", "c", "d")},
        {"attributes_per_class": True},
        {"labels_N": np.zeros(20, dtype=np.int64)},
        {"is_test_N": np.zeros(20, dtype=bool)},
        {"attributes_NA": np.zeros((20, 4), dtype=bool)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_fingerprint_is_the_contents(
    archive: Archive, tmp_path: Path, change: dict[str, Any]
) -> None:
    first = pack(archive, tmp_path / "first", **SMALL)
    other = pack(replace(archive, **change), tmp_path / "other", **SMALL)
    assert first.fingerprint != other.fingerprint


def test_unreadable_images_are_named_and_left_out(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    damage(archive, 3, 16, 17, 18, 19)  # the last shard has no row left
    seen: list[Progress] = []
    manifest = pack(
        archive, tmp_path / "out", max_unreadable=0.25, on_progress=seen.append, **SMALL
    )
    assert [(row, file) for row, file, _ in manifest.skipped] == [
        (row, archive.files[row]) for row in (3, 16, 17, 18, 19)
    ]
    assert {reason for _, _, reason in manifest.skipped} == {
        "its content is no image of a known format"
    }
    assert [shard.rows for shard in manifest.shards] == [7, 8, 0]
    assert (manifest.num_rows, manifest.num_test) == (15, 3)
    table = open_table(tmp_path / "out")
    assert table["row"].to_pylist() == [row for row in range(16) if row != 3]
    assert seen[0] == Progress(0, 0, 20, 0)
    assert seen[-1] == Progress(20, 0, 20, 5)
    assert Manifest.read(tmp_path / "out").skipped == manifest.skipped


def test_too_many_unreadable_images_end_the_run_and_mended_ones_get_in(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    whole = files_below(archive.root)
    damage(archive, 3, 9, 10, 12, 17)
    with pytest.raises(DataError) as refused:
        pack(archive, tmp_path / "out", max_unreadable=0.1, **SMALL)
    assert str(refused.value) == (
        "At most 0.1 of the 20 images may be unreadable (`max_unreadable`), but 4 already are: "
        "row 3, 'images/003.jpg': its content is no image of a known format; "
        "row 9, 'images/009.jpg': its content is no image of a known format; "
        "row 10, 'images/010.jpg': its content is no image of a known format. Mend the files or "
        "raise the share, and run the same command again: what is whole is kept."
    )
    with pytest.raises(DataError, match=r"has no manifest\.json"):
        Manifest.read(tmp_path / "out")
    for row in (3, 9, 10, 12):
        (archive.root / archive.files[row]).write_bytes(whole[archive.files[row]])
    mended = pack(archive, tmp_path / "out", max_unreadable=0.1, **SMALL)
    assert [row for row, _, _ in mended.skipped] == [17]
    fresh = pack(archive, tmp_path / "fresh", max_unreadable=0.1, **SMALL)
    assert mended.fingerprint == fresh.fingerprint


def test_nothing_readable_is_refused(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", rows=3)
    damage(archive, 0, 1, 2)
    with pytest.raises(DataError, match="At least one image of 'birds' must be readable"):
        pack(archive, tmp_path / "out", max_unreadable=1, **SMALL)


def test_a_finished_folder_is_left_alone(archive: Archive, tmp_path: Path) -> None:
    first = pack(archive, tmp_path / "out", **SMALL)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "shards").iterdir()}
    seen: list[Progress] = []
    again = pack(archive, tmp_path / "out", on_progress=seen.append, **SMALL)
    assert again.fingerprint == first.fingerprint
    assert seen == []
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_finished_folder_that_lost_a_shard_is_mended(archive: Archive, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pack(archive, out, **SMALL)
    before = files_below(out)
    (out / "shards" / "shard-00001.arrow").write_bytes(b"ARROW1")
    pack(archive, out, **SMALL)
    assert files_below(out) == before


class StoppedError(Exception):
    """Ends packing from outside."""


def stop_after(rows: int) -> Any:
    def stop(progress: Progress) -> None:
        if progress.done - progress.resumed >= rows:
            raise StoppedError

    return stop


def test_only_what_is_left_is_packed_again(archive: Archive, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(StoppedError):
        pack(archive, out, on_progress=stop_after(12 + 4), **SMALL)
    assert sorted(files_below(out)) == [
        "job.json",
        "pack.lock",
        "shards/shard-00000.arrow",
        "shards/shard-00000.json",
    ]
    kept = (out / "shards" / "shard-00000.arrow").stat().st_mtime_ns
    seen: list[Progress] = []
    manifest = pack(archive, out, on_progress=seen.append, **SMALL)
    assert seen[0] == Progress(8, 8, 20, 0)
    assert (out / "shards" / "shard-00000.arrow").stat().st_mtime_ns == kept
    assert manifest.fingerprint == pack(archive, tmp_path / "fresh", **SMALL).fingerprint


@pytest.mark.parametrize(
    "spoil",
    [
        lambda shards: (shards / "shard-00000.arrow").write_bytes(b"ARROW1"),
        lambda shards: (shards / "shard-00000.arrow").unlink(),
        lambda shards: (shards / "shard-00000.json").unlink(),
        lambda shards: (shards / "shard-00000.json").write_bytes(b'{"job": "'),
        lambda shards: (shards / "shard-00000.json").write_bytes(b"{}"),
        lambda shards: (shards / "shard-00000.arrow.0123.tmp").write_bytes(b"ARROW1"),
    ],
    ids=["cut", "lost", "no record", "half a record", "empty record", "left by a kill"],
)
def test_a_shard_counts_only_with_a_whole_record_and_its_size(
    archive: Archive, tmp_path: Path, spoil: Any
) -> None:
    out = tmp_path / "out"
    with pytest.raises(StoppedError):
        pack(archive, out, on_progress=stop_after(16), **SMALL)
    spoil(out / "shards")
    pack(archive, out, **SMALL)
    pack(archive, tmp_path / "fresh", **SMALL)
    assert files_below(out) == files_below(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quality": 90}, "begun with `quality` 95, but now has 90"),
        ({"shorter_side": None}, "begun with `shorter_side` 24, but now has None"),
        ({"rows_per_shard": 9}, "begun with `rows_per_shard` 8, but now has 9"),
        ({"options": {"objects": "all"}}, "begun with `options` {}, but now has {'objects'"),
    ],
)
def test_settings_are_not_mixed_in_one_folder(
    archive: Archive, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises(StoppedError):
        pack(archive, out, on_progress=stop_after(8), **SMALL)
    before = files_below(out)
    with pytest.raises(DataError) as refused:
        pack(archive, out, **SMALL | change)
    assert message in str(refused.value)
    assert "choose another folder" in str(refused.value)
    assert files_below(out) == before


def test_another_table_is_not_mixed_in_either(archive: Archive, tmp_path: Path) -> None:
    pack(archive, tmp_path / "out", **SMALL)
    other = replace(archive, is_test_N=~archive.is_test_N)
    with pytest.raises(DataError, match="begun with another table of rows"):
        pack(other, tmp_path / "out", **SMALL)
    with pytest.raises(DataError, match="begun with `name` 'birds', but now has 'cub'"):
        pack(replace(archive, name="cub"), tmp_path / "out", **SMALL)


def test_a_moved_archive_goes_on(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        pack(archive, tmp_path / "out", on_progress=stop_after(8), **SMALL)
    moved = make_archive(tmp_path / "moved")
    assert pack(moved, tmp_path / "out", **SMALL).num_rows == 20


def test_a_folder_of_something_else_is_refused(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match=r"must be empty or .* but holds 'letter\.txt'"):
        pack(archive, tmp_path, **SMALL)
    with pytest.raises(DataError, match=r"letter\.txt' must be a folder, but is a file"):
        pack(archive, tmp_path / "letter.txt", **SMALL)
    pack(archive, tmp_path / "out", **SMALL)
    (tmp_path / "out" / "job.json").unlink()
    with pytest.raises(DataError, match="but holds a packed dataset"):
        pack(archive, tmp_path / "out", **SMALL)
    (tmp_path / "out" / "job.json").write_text("[1]")
    with pytest.raises(DataError, match="was not written by this command"):
        pack(archive, tmp_path / "out", **SMALL)
    (tmp_path / "out" / "job.json").write_text("[1")
    with pytest.raises(DataError, match=r"job\.json .* is malformed"):
        pack(archive, tmp_path / "out", **SMALL)


def test_one_process_packs_into_a_folder(archive: Archive, tmp_path: Path) -> None:
    with (
        locked(tmp_path / "pack.lock", wait=False),
        pytest.raises(DataError, match="Another process is packing into"),
    ):
        pack(archive, tmp_path, **SMALL)
    pack(archive, tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shorter_side": 0}, "`shorter_side` must be at least 1, but got 0."),
        ({"rows_per_shard": 0}, "`rows_per_shard` must be at least 1, but got 0."),
        ({"num_workers": 0}, "`num_workers` must be at least 1, but got 0."),
        ({"quality": 96}, "`quality` must lie in [1, 95], but got 96."),
        ({"max_unreadable": 1.5}, "`max_unreadable` must lie in [0, 1], but got 1.5."),
        (
            {"options": {"a": {1}}},
            "`options` must be what JSON can hold, but got {'a': {1}}: Object of type set is not "
            "JSON serializable.",
        ),
    ],
)
def test_settings_are_checked_before_anything_is_written(
    archive: Archive, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        pack(archive, tmp_path / "out", **SMALL | change)
    assert str(refused.value) == message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": ("auk", "auk", "crow")}, "Each class .* 'auk' occurs 2 times"),
        ({"attribute_names": ("a", "b", "b", "c")}, "Each attribute .* 'b' occurs 2 times"),
        ({"crops": True}, "'birds' crops its objects, but has no boxes"),
        ({"root": Path("absent")}, "'birds' must lie in a folder, but 'absent' is none"),
    ],
)
def test_archives_that_cannot_be_packed_are_refused_before_anything_is_written(
    archive: Archive, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        pack(replace(archive, **change), tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists()


def test_a_shard_is_read_without_a_copy(archive: Archive, tmp_path: Path) -> None:
    pack(archive, tmp_path / "out", **SMALL)
    before = pa.total_allocated_bytes()
    table = open_table(tmp_path / "out")
    label_buffer = table["label"].chunk(0).buffers()[1]
    assert pa.total_allocated_bytes() - before < 1000 < table.nbytes
    maps = Path("/proc/self/maps")
    if maps.exists():
        mapped = [
            line.split()[0].split("-")
            for line in maps.read_text().splitlines()
            if line.endswith("out/shards/shard-00000.arrow")
        ]
        assert any(int(a, 16) <= label_buffer.address < int(b, 16) for a, b in mapped)


def test_records_hold_no_path_of_this_machine(archive: Archive, tmp_path: Path) -> None:
    pack(archive, tmp_path / "out", **SMALL)
    for name, content in files_below(tmp_path / "out").items():
        assert os.fsencode(tmp_path) not in content, name
        assert os.fsencode(archive.root) not in content, name
    record = json.loads((tmp_path / "out" / "shards" / "shard-00001.json").read_text())
    assert record["shard"]["rows"] == 8
    assert record["skipped"] == []
