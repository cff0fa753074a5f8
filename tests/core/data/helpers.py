"""What several tests of the data share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.data import FieldGuideParams

SMALL = FieldGuideParams(image_size=16, images_per_species=10)

Bools = npt.NDArray[np.bool_]


def in_new_process(code: str) -> subprocess.Popen[str]:
    """Start `code` in a fresh interpreter whose string hashes are salted afresh."""
    environment = os.environ | {"PYTHONHASHSEED": "random"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[3],
    )


def output_of(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.strip()


def indistinct_columns(table_KA: Bools) -> Iterator[tuple[int, int]]:
    """Pairs of columns that are equal or each other's complement."""
    for i, j in combinations(range(table_KA.shape[1]), 2):
        agreement = (table_KA[:, i] == table_KA[:, j]).mean()
        if agreement in (0.0, 1.0):
            yield i, j
