"""The growers compiled for another processor than the one at hand: the lowest common one."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
from core.tree import Criterion, GrowingTree, fit_tree

generator = np.random.default_rng(0)
for num_classes in (3, 20):  # columns of one vector, and of two
    levels = generator.integers(0, 8, size=(600, 12))
    labels = generator.dirichlet(np.full(num_classes, 0.3), size=600)
    for criterion in Criterion:
        options = {"num_levels": 8, "max_depth": 5, "criterion": criterion}
        growing = GrowingTree(num_features=12, num_classes=num_classes, **options)
        for stop in range(150, 601, 150):
            rows = slice(stop - 150, stop)
            growing.add(levels[rows], labels[rows])
            plain = fit_tree(levels[:stop], labels[:stop], grower="plain", **options)
            assert growing.tree() == plain
        assert fit_tree(levels, labels, **options) == plain
        print(plain.num_leaves)
"""


@pytest.mark.slow
def test_growers_compiled_for_another_processor_agree(tmp_path):
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert min(map(int, ran.stdout.split())) > 8
    assert list(tmp_path.rglob("*.nbc")), "nothing was compiled"
