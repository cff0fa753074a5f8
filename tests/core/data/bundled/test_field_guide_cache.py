"""The cache: hits, damage of every kind, folders that cannot be used, writers at once."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cache import default_cache_dir
from core.data import FieldGuideParams, load_field_guide
from core.data.bundled._cache import Arrays, cached
from core.data.bundled._version import source_digest
from core.data.bundled.field_guide import _dataset
from tests.core.data.helpers import SMALL, in_new_process, output_of

ARRAYS = {"numbers": np.arange(6).reshape(2, 3), "flags": np.array([True, False])}
DAMAGED = "is damaged or was not written for this data"


class Maker:
    """Makes `ARRAYS` and counts how often it had to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return ARRAYS


def assert_equal_arrays(first: Arrays, second: Arrays) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype
        assert np.array_equal(first[name], second[name])


def test_a_second_call_reads_what_the_first_one_stored(tmp_path: Path) -> None:
    make = Maker()
    cached("toy", "key", make, tmp_path / "made" / "on" / "demand")
    stored = cached("toy", "key", make, tmp_path / "made" / "on" / "demand")
    assert make.calls == 1
    assert_equal_arrays(stored, ARRAYS)


def test_another_key_has_a_file_of_its_own(tmp_path: Path) -> None:
    make = Maker()
    cached("toy", "key", make, tmp_path)
    cached("toy", "other key", make, tmp_path)
    assert make.calls == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content + b"\n",
        lambda content: b"a text of someone else\n",
        lambda content: content.partition(b"\n")[2],
    ],
    ids=["empty", "truncated", "appended", "foreign", "headless"],
)
def test_a_damaged_file_is_replaced_with_a_warning(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    make = Maker()
    cached("toy", "key", make, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    with pytest.warns(RuntimeWarning, match=DAMAGED):
        assert_equal_arrays(cached("toy", "key", make, tmp_path), ARRAYS)
    assert make.calls == 2
    assert path.read_bytes() == whole
    assert_equal_arrays(cached("toy", "key", make, tmp_path), ARRAYS)
    assert make.calls == 2


@settings(max_examples=30, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_changed_byte_is_noticed(place: float, flip: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cached("toy", "key", Maker(), Path(folder))
        (path,) = Path(folder).iterdir()
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= flip
        path.write_bytes(content)
        with pytest.warns(RuntimeWarning, match=DAMAGED):
            cached("toy", "key", Maker(), Path(folder))


def test_a_whole_file_of_another_key_is_noticed(tmp_path: Path) -> None:
    cached("toy", "key", Maker(), tmp_path)
    (path,) = tmp_path.iterdir()
    cached("toy", "other key", Maker(), tmp_path)
    (other,) = set(tmp_path.iterdir()) - {path}
    other.replace(path)
    with pytest.warns(RuntimeWarning, match=DAMAGED):
        cached("toy", "key", Maker(), tmp_path)


def test_a_folder_that_cannot_be_used_is_told_and_the_arrays_are_made(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.warns(RuntimeWarning) as caught:
        assert_equal_arrays(cached("toy", "key", Maker(), blocked), ARRAYS)
    messages = [str(warning.message) for warning in caught]
    assert any("cannot be written" in message for message in messages)
    assert all("INTERSECTION_CACHE" in message for message in messages)


def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError("no renaming here")

    monkeypatch.setattr("core.data.bundled._cache.os.replace", refuse)
    with pytest.warns(RuntimeWarning, match="no renaming here"):
        cached("toy", "key", Maker(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_the_named_one_or_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERSECTION_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.setenv("INTERSECTION_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "intersection-regularization"


def test_the_field_guide_is_drawn_once_for_all_split_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_field_guide(SMALL, cache_dir=tmp_path)

    def refuse(params: FieldGuideParams) -> Arrays:
        raise AssertionError("drawn again")

    monkeypatch.setattr(_dataset, "draw_all", refuse)
    assert load_field_guide(SMALL, cache_dir=tmp_path).fingerprint == first.fingerprint
    other = load_field_guide(SMALL, split_seed=1, cache_dir=tmp_path)
    assert np.array_equal(other.test.images_NCHW, first.test.images_NCHW)
    assert not np.array_equal(other.minival.images_NCHW, first.minival.images_NCHW)
    with pytest.raises(AssertionError, match="drawn again"):
        load_field_guide(
            FieldGuideParams(image_size=16, images_per_species=10, seed=1), cache_dir=tmp_path
        )


def test_any_change_of_the_renderers_source_is_another_version(tmp_path: Path) -> None:
    versions = {source_digest(tmp_path)}
    (tmp_path / "_a.py").write_text("x = 1\n")
    versions.add(source_digest(tmp_path))
    (tmp_path / "_a.py").write_text("x = 2\n")
    versions.add(source_digest(tmp_path))
    (tmp_path / "_a.py").rename(tmp_path / "_b.py")
    versions.add(source_digest(tmp_path))
    assert len(versions) == 4
    (tmp_path / "_b.pyc").write_bytes(b"compiled")
    assert source_digest(tmp_path) in versions


def test_another_renderer_draws_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_field_guide(SMALL, cache_dir=tmp_path)
    monkeypatch.setattr(_dataset, "source_digest", lambda folder: "another")
    load_field_guide(SMALL, cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_threads_that_write_at_once_all_get_the_arrays(tmp_path: Path) -> None:
    everyone = Barrier(6)

    def make() -> Arrays:
        everyone.wait(timeout=30)
        return ARRAYS

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(cached, "toy", "key", make, tmp_path) for _ in range(6)]
        for future in futures:
            assert_equal_arrays(future.result(), ARRAYS)
    assert len(list(tmp_path.iterdir())) == 1
    assert_equal_arrays(cached("toy", "key", make, tmp_path), ARRAYS)


def test_processes_that_write_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    code = (
        "from core.data import load_field_guide\n"
        "from tests.core.data.helpers import SMALL\n"
        f"print(load_field_guide(SMALL, cache_dir={str(tmp_path)!r}).fingerprint)"
    )
    processes = [in_new_process(code) for _ in range(3)]
    fingerprints = {output_of(process) for process in processes}
    assert len(list(tmp_path.iterdir())) == 1
    assert fingerprints == {load_field_guide(SMALL, cache_dir=tmp_path).fingerprint}
