"""`python -m core.data.pack`: what it says, how it ends, and that it goes on when it is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from core.command import shown_size
from core.data.archives import ARCHIVES, read_archive
from core.data.pack import main
from core.data.packed import Manifest, Progress, open_table, verify
from core.data.packed.progress import PackingProgress, progress_line
from tests.core.data.archives_on_disk import small_table, write_archive, write_awa2
from tests.core.data.packing import files_below, pixels

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def awa2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = small_table("awa2", images_per_class=5)
    return write_archive("awa2", tmp_path_factory.mktemp("awa2"), table)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 images with enough pixels that packing takes some seconds."""
    table = small_table("awa2", images_per_class=40)
    root = write_awa2(tmp_path_factory.mktemp("large"), table, images=False)
    for seed, file in enumerate(table.files):
        path = root / "JPEGImages" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed, 700, 500)).save(path)
    return root


def arguments(root: Path, out: Path, *more: str) -> list[str]:
    return ["awa2", "--root", str(root), "--output", str(out), "--shorter-side", "24", *more]


def start(arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "core.data.pack", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def members_of_session(leader: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def wait_until_nobody_is_left(leader: int) -> None:
    deadline = time.monotonic() + 20
    while members_of_session(leader):
        assert time.monotonic() < deadline, "a worker outlived the command"
        time.sleep(0.05)


def test_the_command_packs_and_says_what(
    awa2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(arguments(awa2, out, "--workers", "1", "--option", "test_seed=3")) == 0
    manifest = Manifest.read(out)
    assert (manifest.name, manifest.num_rows, manifest.shorter_side) == ("awa2", 15, 24)
    assert manifest.options == {"test_seed": 3}
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "differs: images: published 37322, found 15"
    assert lines[-2] == (
        f"Packed 15 images of awa2 in 1 shards, {shown_size(manifest.num_bytes)}: 10 train, "
        "5 test, 0 unreadable."
    )
    assert lines[-1] == f"fingerprint {manifest.fingerprint}"
    assert main(arguments(awa2, out, "--workers", "1", "--option", "test_seed=3")) == 0
    assert "Already packed 15 images of awa2" in capsys.readouterr().out
    document = json.loads((out / "manifest.json").read_text())
    assert [check["what"] for check in document["checks"]][:2] == ["images", "classes"]


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_archive_is_packed_as_its_reader_gives_it(name: str, tmp_path: Path) -> None:
    root, out = write_archive(name, tmp_path / "archive"), tmp_path / "out"
    command = [name, "--root", str(root), "--output", str(out), "--workers", "1"]
    assert main(command) == 0
    archive, table = read_archive(name, root), open_table(out)
    assert table["file"].to_pylist() == list(archive.files)
    assert table["label"].to_pylist() == archive.labels_N.tolist()
    assert table["is_test"].to_pylist() == archive.is_test_N.tolist()
    assert table["attributes"].to_pylist() == archive.attributes_NA.tolist()
    if archive.crops:
        assert archive.boxes_N4 is not None
        sides_N2 = archive.boxes_N4[:, 2:] - archive.boxes_N4[:, :2]
        assert table["width"].to_pylist() == sides_N2[:, 0].tolist()
        assert table["height"].to_pylist() == sides_N2[:, 1].tolist()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--quality", "0"], "`quality` must lie in [1, 95], but got 0."),
        (["--shorter-side", "small"], "must be a number of pixels or 'none', but got 'small'"),
        (["--shorter-side", "0"], "`shorter_side` must be at least 1, but got 0."),
        (["--workers", "0"], "`num_workers` must be at least 1, but got 0."),
        (["--option", "seed"], "must be KEY=VALUE, but got 'seed'"),
        (["--option", "test_sed=3"], "Did you mean 'test_seed'?"),
        (["--output", "nfs://host/x"], "'nfs://host/x' must be a local folder or a URI"),
        (["--option", "root=x"], "'root' is none"),
        (["--option", "test_seed=1", "--option", "test_seed=2"], "must be given once"),
        (["--root", "absent"], "absent"),
        (["--qualty", "3"], "unrecognized arguments: --qualty 3"),
    ],
)
def test_the_command_refuses_in_one_line(
    awa2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments(awa2, tmp_path / "out", *more))
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert error.startswith("python -m core.data.pack: error: ")
    assert not (tmp_path / "out").exists()


def test_an_unknown_archive_is_refused(
    awa2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["awa", "--root", str(awa2), "--output", str(tmp_path / "out")])
    assert "Did you mean 'awa2'?" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_run_leaves_no_process_and_goes_on(large: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = arguments(large, out, "--rows-per-shard", "16", "--workers", "2")
    killed = start(command)
    wait_for(out / "shards" / "shard-00001.json", killed)
    killed.kill()
    killed.communicate(timeout=30)
    wait_until_nobody_is_left(killed.pid)
    left = files_below(out)
    assert "manifest.json" not in left
    kept = sorted(name for name in left if name.endswith(".arrow"))
    assert 2 <= len(kept) < 8
    times = {name: (out / name).stat().st_mtime_ns for name in kept}

    again = start(command)
    output, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert "of 120 images were done before" in errors
    assert "Packed 120 images of awa2 in 8 shards" in output
    recorded = [name for name in kept if name.replace(".arrow", ".json") in left]
    assert len(recorded) >= 2
    for name in recorded:
        assert (out / name).stat().st_mtime_ns == times[name]
    verify(out)

    assert main([*command[:4], str(tmp_path / "fresh"), *command[5:7], *command[7:]]) == 0
    assert files_below(out) == files_below(tmp_path / "fresh")


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_one_line(large: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(arguments(large, out, "--rows-per-shard", "16", "--workers", "2"))
    wait_for(out / "shards" / "shard-00000.json", process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    *progress, last = errors.splitlines()
    assert last == "Interrupted. Run the same command again to go on with what is left."
    assert all("images/s" in line for line in progress)
    wait_until_nobody_is_left(process.pid)
    left = files_below(out)
    assert "manifest.json" not in left
    assert not any(name.endswith(".tmp") for name in left)
    arrows = {name.removesuffix(".arrow") for name in left if name.endswith(".arrow")}
    records = {name.removesuffix(".json") for name in left if name.startswith("shards/")} - {
        f"{name}.arrow" for name in arrows
    }
    assert records <= arrows


def test_progress_says_how_far_how_fast_and_how_long() -> None:
    assert progress_line(Progress(0, 0, 1000, 0), 0.0) == "0 of 1000 images"
    assert (
        progress_line(Progress(300, 100, 1000, 2), 20.0)
        == "300 of 1000 images, 10.0 images/s, 0:01:10 left, 2 unreadable"
    )
    assert progress_line(Progress(1, 0, 7200, 0), 1.0).endswith("1.0 images/s, 1:59:59 left")


def test_without_a_terminal_a_line_comes_now_and_then(tmp_path: Path) -> None:
    seconds = 0.0
    with (
        (tmp_path / "log").open("w") as file,
        PackingProgress(Console(file=file, width=200), clock=lambda: seconds) as show,
    ):
        assert not show.has_begun
        for done in range(10, 60):
            show(Progress(done, 10, 100, 0))
            seconds += 1.0
    assert (tmp_path / "log").read_text().splitlines() == [
        "Going on: 10 of 100 images were done before.",
        "20 of 100 images, 1.0 images/s, 0:01:20 left",
        "30 of 100 images, 1.0 images/s, 0:01:10 left",
        "40 of 100 images, 1.0 images/s, 0:01:00 left",
        "50 of 100 images, 1.0 images/s, 0:00:50 left",
    ]


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w") as file,
        PackingProgress(Console(file=file, force_terminal=True, width=100)) as show,
    ):
        show(Progress(50, 0, 100, 0))
    shown = (tmp_path / "log").read_text()
    assert "50%" in shown
    assert "50 of 100 images" in shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(999, "999 bytes"), (1000, "1.00 kB"), (12_340, "12.3 kB"), (1_834_000_000, "1.83 GB")],
)
def test_sizes_are_shown_with_three_digits(size: int, shown: str) -> None:
    assert shown_size(size) == shown
