"""What comes with the package: compiled code kept on disk, and nothing that takes seconds."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import core

PROGRAM = """
import numpy as np
from core.tree import fit_tree
print(fit_tree(np.array([[0], [1]]), np.eye(2), num_levels=2, max_depth=1).num_leaves)
"""


@pytest.mark.slow
def test_a_change_in_another_file_reaches_compiled_code(tmp_path):
    package = tmp_path / "core"
    source = Path(core.__file__).parent
    shutil.copytree(source / "tree", package / "tree", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "errors.py"):
        shutil.copy(source / name, package / name)

    def num_leaves():
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-c", PROGRAM]
        ran = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return int(ran.stdout)

    assert num_leaves() == 2
    assert list(package.glob("tree/__pycache__/*.nbc"))
    # On a grid of 4 bits, a gain of 1 bit is none.
    gain = package / "tree" / "_gain.py"
    text, changes = re.subn(r"^GAIN_GRID = .*$", "GAIN_GRID = 4.0", gain.read_text(), flags=re.M)
    assert changes == 1
    gain.write_text(text)
    assert num_leaves() == 1


def test_the_package_comes_without_torch():
    program = "import sys, core.tree; print('torch' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"
