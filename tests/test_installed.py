"""`pip install .` brings every module and what they read, and they import from another folder."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUFFIXES = (".py", ".csv", ".css", ".html", ".js")


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_imports(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(ROOT)]
    subprocess.run([*command, "--wheel-dir", str(tmp_path)], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if Path(name).suffix in SUFFIXES}
        archive.extractall(tmp_path / "site")
    written = {
        str(path.relative_to(ROOT))
        for package in ("core", "sweep", "search_spaces")
        for path in (ROOT / package).rglob("*")
        if path.suffix in SUFFIXES
    }
    assert packed == written
    code = "import core.training, sweep.search, sweep.ablation_p; print(core.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "site",
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
