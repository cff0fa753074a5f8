"""What comes with the package: compiled code kept on disk, and nothing that takes seconds."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import core
from core.tree.compiled._compile import source_stamp

GROW = """
import numpy as np
from core.tree import fit_tree
print(fit_tree(np.array([[0], [1]]), np.eye(2), num_levels=2, max_depth=1).num_leaves)
"""

PREDICT = """
import numpy as np
from core.tree import fit_tree
from core.tree.compiled import find_leaves
tree = fit_tree(np.array([[0], [1]]), np.eye(2), num_levels=2, max_depth=1, grower="plain")
tree.apply(np.array([[0]]))
print(find_leaves.stats.cache_hits.total())
"""
"""Prints 1 when compiled code was read from disk, 0 when it was compiled."""


@pytest.fixture
def package(tmp_path):
    """A copy of what `core.tree` consists of, without compiled code."""
    copy = tmp_path / "core"
    source = Path(core.__file__).parent
    shutil.copytree(source / "tree", copy / "tree", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "errors.py"):
        shutil.copy(source / name, copy / name)
    return copy / "tree"


def run(program, package):
    root = package.parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    environment.pop("NUMBA_CACHE_DIR", None)
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(ran.stdout)


@pytest.mark.slow
def test_a_change_in_another_file_reaches_compiled_code(package):
    assert run(GROW, package) == 2
    assert list(package.glob("compiled/__pycache__/*.nbc"))
    # On a grid of 4 bits, a gain of 1 bit is none.
    gain = package / "_gain.py"
    text, changes = re.subn(r"^GAIN_GRID = .*$", "GAIN_GRID = 4.0", gain.read_text(), flags=re.M)
    assert changes == 1
    gain.write_text(text)
    assert run(GROW, package) == 1


@pytest.mark.slow
def test_a_change_in_any_wing_compiles_anew(package):
    assert run(PREDICT, package) == 0
    assert run(PREDICT, package) == 1
    (package / "compiled" / "below").mkdir()
    for file in ("_plain.py", "compiled/_sets.py", "forms/_text.py", "compiled/below/_new.py"):
        with (package / file).open("a") as end:
            end.write("# A change.\n")
        assert run(PREDICT, package) == 0, file
        assert run(PREDICT, package) == 1, file


def test_every_file_is_in_the_stamp(package):
    stamps = {source_stamp(package)}
    files = sorted(package.rglob("*.py"))
    assert {file.parent.name for file in files} == {"tree", "compiled", "forms"}
    for count, file in enumerate(files, start=2):
        file.write_text(file.read_text() + "# A change.\n")
        stamps.add(source_stamp(package))
        assert len(stamps) == count, file
    # The same content elsewhere is another package.
    files[-1].rename(files[-1].with_name("_moved.py"))
    assert source_stamp(package) not in stamps


def test_the_package_comes_without_torch():
    program = "import sys, core.tree; print('torch' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"
