"""Packing to an object store, against a real S3 server on loopback."""

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from pyarrow import fs

from core.config import ImageOptions
from core.data import load_dataset
from core.data.archives import Archive
from core.data.describe import main as describe
from core.data.packed import (
    Manifest,
    Progress,
    localize,
    open_table,
    pack,
    read_columns,
    verify,
)
from core.errors import DataError
from tests.core.data.helpers import in_new_process, output_of
from tests.core.data.packing import files_below, make_archive
from tests.s3 import CREDENTIALS, s3_server

SMALL: dict[str, Any] = {"num_workers": 1, "rows_per_shard": 8, "shorter_side": 24}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Port of an S3 server."""
    with s3_server() as port:
        yield port


@pytest.fixture
def store(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A filesystem with a bucket named after the test's folder."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    filesystem, _ = fs.FileSystem.from_uri(uri(port, "x") + "&allow_bucket_creation=true")
    filesystem.create_dir(bucket_of(tmp_path))
    return filesystem


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return make_archive(tmp_path_factory.mktemp("archive"))


def bucket_of(folder: Path) -> str:
    return folder.name.replace("_", "-").lower()[:60].strip("-")


def uri(port: int, path: str) -> str:
    return f"s3://{path}?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"


def objects(store: Any, bucket: str) -> dict[str, bytes]:
    infos = store.get_file_info(fs.FileSelector(bucket, recursive=True))
    return {
        info.path.removeprefix(f"{bucket}/set/"): store.open_input_stream(info.path).read()
        for info in infos
        if info.type == fs.FileType.File
    }


def test_a_bucket_gets_the_bytes_that_a_folder_gets(
    port: int, store: Any, archive: Archive, tmp_path: Path
) -> None:
    bucket = bucket_of(tmp_path)
    there = pack(archive, uri(port, f"{bucket}/set/"), **SMALL)
    here = pack(archive, tmp_path / "here", **SMALL)
    assert there.fingerprint == here.fingerprint
    local = files_below(tmp_path / "here")
    local.pop("pack.lock")
    assert objects(store, bucket) == local
    address = uri(port, f"{bucket}/set")
    assert Manifest.read(address).fingerprint == there.fingerprint
    verify(address)
    columns = ["label", "is_test", "attributes"]
    assert read_columns(address, columns).equals(open_table(tmp_path / "here").select(columns))


def test_the_endpoint_can_come_from_the_environment(
    port: int, store: Any, archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    address = f"s3://{bucket_of(tmp_path)}/set"
    pack(archive, address, **SMALL)
    assert Manifest.read(address).num_rows == 20


def test_an_interrupted_upload_goes_on_and_leaves_no_half_shard(
    port: int, store: Any, archive: Archive, tmp_path: Path
) -> None:
    bucket = bucket_of(tmp_path)
    address = uri(port, f"{bucket}/set")

    def stop(progress: Progress) -> None:
        if progress.done > 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        pack(archive, address, on_progress=stop, **SMALL)
    shards = {"shards/shard-00000.arrow", "shards/shard-00000.json"}
    assert objects(store, bucket).keys() == shards | {"job.json"}
    with pytest.raises(DataError, match=rf"'s3://{bucket}/set' must hold a packed dataset"):
        Manifest.read(address)
    with pytest.raises(DataError, match="begun with `quality` 95, but now has 50"):
        pack(archive, address, quality=50, **SMALL)
    seen: list[Progress] = []
    there = pack(archive, address, on_progress=seen.append, **SMALL)
    assert seen[0] == Progress(8, 8, 20, 0)
    assert there.fingerprint == pack(archive, tmp_path / "here", **SMALL).fingerprint


def test_a_half_shard_in_the_bucket_is_never_taken_for_a_whole_one(
    port: int, store: Any, archive: Archive, tmp_path: Path
) -> None:
    bucket = bucket_of(tmp_path)
    address = uri(port, f"{bucket}/set")
    first = pack(archive, address, **SMALL)
    whole = objects(store, bucket)
    name = "shards/shard-00001.arrow"
    with store.open_output_stream(f"{bucket}/set/{name}") as stream:
        stream.write(whole[name][:-9])
    for read in (verify, lambda path: localize(path, tmp_path / "cache")):
        with pytest.raises(DataError, match=rf"{name} in 's3://{bucket}/set' must"):
            read(address)
    store.delete_file(f"{bucket}/set/manifest.json")
    assert pack(archive, address, **SMALL).fingerprint == first.fingerprint
    assert objects(store, bucket) == whole


def test_a_remote_dataset_is_copied_once(
    port: int, store: Any, archive: Archive, tmp_path: Path
) -> None:
    bucket, cache = bucket_of(tmp_path), tmp_path / "cache"
    address = uri(port, f"{bucket}/set")
    manifest = pack(archive, address, **SMALL)
    here = localize(address, cache)
    assert here == cache / f"packed-{manifest.fingerprint}"
    assert Manifest.read(here).fingerprint == manifest.fingerprint
    assert open_table(here)["row"].to_pylist() == list(range(20))
    verify(here)
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    assert localize(address, cache) == here
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before
    assert sorted(path.name for path in cache.iterdir()) == [here.name, f"{here.name}.lock"]
    assert localize(here, tmp_path / "other") == here
    shard = here / "shards" / "shard-00000.arrow"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"shard-00000\.arrow in .* must have \d+ bytes, but has"):
        localize(address, cache)


def test_a_dataset_is_loaded_from_a_bucket(
    port: int, store: Any, archive: Archive, tmp_path: Path
) -> None:
    archive = dataclasses.replace(archive, name="cub")
    address = uri(port, f"{bucket_of(tmp_path)}/set")
    for out in (address, tmp_path / "here"):
        pack(archive, out, **SMALL)
    options = ImageOptions(resize_size=24, crop_size=16, augmentation="crop_flip")
    cache = tmp_path / "cache"
    there, here = (
        load_dataset("cub", data=root, images=options, cache_dir=cache)
        for root in (address, tmp_path / "here")
    )
    assert there.fingerprint == here.fingerprint
    for ours, theirs in ((there.train, here.train), (there.minival, here.minival)):
        rows = [np.arange(len(theirs))]
        for seed in (None, (0, 1)):
            (one,), (other,) = (part.images.batches(rows, seed=seed) for part in (ours, theirs))
            assert torch.equal(one, other)
        assert np.array_equal(ours.labels_N, theirs.labels_N)
        assert np.array_equal(ours.attributes_NA, theirs.attributes_NA)
    assert [path.suffix for path in sorted(cache.iterdir())] == ["", ".lock"]
    # Only the manifest is read again.
    store.delete_dir_contents(f"{bucket_of(tmp_path)}/set/shards")
    again = load_dataset("cub", data=address, images=options, cache_dir=cache)
    assert again.fingerprint == here.fingerprint


def test_what_is_no_packed_dataset_of_this_name_in_a_bucket_is_refused(
    port: int, store: Any, archive: Archive, tmp_path: Path
) -> None:
    bucket = bucket_of(tmp_path)
    options = ImageOptions(resize_size=24, crop_size=16)
    address = uri(port, f"{bucket}/set")
    with pytest.raises(DataError, match=rf"'s3://{bucket}/set' must hold a packed dataset"):
        load_dataset("cub", data=address, images=options, cache_dir=tmp_path)
    pack(archive, address, **SMALL)
    with pytest.raises(DataError, match="must hold the packed dataset 'cub', but holds 'birds'"):
        load_dataset("cub", data=address, images=options, cache_dir=tmp_path)


def test_what_arrives_damaged_is_refused_and_a_copy_goes_on(
    port: int, store: Any, archive: Archive, tmp_path: Path
) -> None:
    bucket, cache = bucket_of(tmp_path), tmp_path / "cache"
    address = uri(port, f"{bucket}/set")
    manifest = pack(archive, address, **SMALL)
    whole = objects(store, bucket)
    name = "shards/shard-00002.arrow"
    damaged = bytearray(whole[name])
    damaged[len(damaged) // 2] ^= 1
    for content, fails in ((bytes(damaged), True), (whole[name], False)):
        with store.open_output_stream(f"{bucket}/set/{name}") as stream:
            stream.write(content)
        if fails:
            with pytest.raises(DataError, match=rf"{name} in .* must have the SHA-256"):
                localize(address, cache)
            part = cache / f"packed-{manifest.fingerprint}.part" / "shards"
            assert sorted(path.name for path in part.iterdir()) == [
                "shard-00000.arrow",
                "shard-00001.arrow",
            ]
            fetched = (part / "shard-00000.arrow").stat().st_mtime_ns
    here = localize(address, cache)
    assert (here / "shards" / "shard-00000.arrow").stat().st_mtime_ns == fetched
    verify(here)


def test_threads_and_processes_that_copy_at_once_get_one_whole_copy(
    port: int, store: Any, archive: Archive, tmp_path: Path
) -> None:
    address = uri(port, f"{bucket_of(tmp_path)}/set")
    pack(archive, address, **SMALL)
    code = (
        "from core.data.packed import localize, verify\n"
        f"here = localize({address!r}, {str(tmp_path / 'cache')!r})\n"
        "verify(here)\n"
        "print(here)"
    )
    processes = [in_new_process(code) for _ in range(2)]
    everyone = Barrier(3)

    def fetch(_: int) -> Path:
        everyone.wait(30)
        return localize(address, tmp_path / "cache")

    with ThreadPoolExecutor(3) as pool:
        folders = {str(folder) for folder in pool.map(fetch, range(3))}
    folders |= {output_of(process) for process in processes}
    assert len(folders) == 1
    verify(folders.pop())


def test_a_remote_dataset_is_described(
    port: int,
    store: Any,
    archive: Archive,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = uri(port, f"{bucket_of(tmp_path)}/set")
    pack(archive, address, **SMALL)
    sheet, cache = tmp_path / "sheet.png", tmp_path / "cache"
    command = [address, "--verify", "--sheet", str(sheet), "--cache-dir", str(cache)]
    assert describe(command) == 0
    assert "birds: 20 images (15 train, 5 test)" in capsys.readouterr().out
    assert sheet.stat().st_size > 10_000


def test_a_missing_bucket_is_told(port: int, store: Any, archive: Archive) -> None:
    with pytest.raises(OSError, match=r"absent-bucket"):
        pack(archive, uri(port, "absent-bucket/set"), **SMALL)
