"""Curves by epoch, from a real sweep and again from MLflow alone."""

import csv
from pathlib import Path

import pytest

from sweep import ablation_epochs
from tests.sweep.command import run

pytestmark = pytest.mark.slow

EPOCHS = 4
SMALL = {
    "num_epochs": EPOCHS,
    "feature_dim": 8,
    "hidden_dim": 8,
    "trunk_width": 4,
    "batch_size": 128,
    "max_depth": 3,
}


def test_every_arm_has_its_curve_and_a_later_report_the_same(tmp_path: Path) -> None:
    settings = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    code, text = run("sweep.ablation_epochs", "--output", tmp_path, "--seeds", "1", *settings)
    assert code == 0, text
    assert "Mann-Kendall: over all pairs of epochs" in " ".join(text.split())
    folder = tmp_path / "ablation_epochs"
    with (folder / "trends.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == list(ablation_epochs.ROWS)
    for row in rows:
        # Of 4 epochs there are 6 pairs.
        assert float(row["tau mean"]) * 6 == pytest.approx(round(float(row["tau mean"]) * 6))
    again = tmp_path / "again"
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    code, text = run("sweep.report", "ablation_epochs", "--tracking-uri", store, "--output", again)
    assert code == 0, text
    for path in folder.iterdir():
        assert (again / "ablation_epochs" / path.name).read_bytes() == path.read_bytes()
