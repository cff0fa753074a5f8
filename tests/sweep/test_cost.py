"""What a dry run says that a sweep should cost."""

import re
from pathlib import Path

import pytest

from core.config import preset_config
from core.data.archives import PUBLISHED_SIZES
from core.data.packed import pack
from core.flops import SplitSizes
from sweep import search, table1
from sweep.cli import main
from sweep.engine.cost import SUSTAINED_TERAFLOPS, estimate_costs
from sweep.engine.data import DataPlaces
from sweep.tracking.trials import TrialSpec
from tests.core.data.packing import make_archive

SMALL = {"trunk": "conv", "trunk_width": 4, "weights": None, "resize_size": 40, "crop_size": 32}


def trials_of(dataset: str, *arms: str, seeds: int = 2, **changes: object) -> list[TrialSpec]:
    config = preset_config(dataset).replace({**SMALL, **changes} if dataset != "digits" else {})
    return [
        TrialSpec(arms=(arm,), config=config.replace({"seed": seed}))
        for arm in arms
        for seed in range(seeds)
    ]


def test_hours_are_operations_by_the_rate() -> None:
    (cost,) = estimate_costs(trials_of("cub", "a"), DataPlaces())
    assert (cost.arm, cost.dataset, cost.num_trials) == ("a", "cub", 2)
    assert cost.flops.num_epochs == 200
    # Before the ends of epochs, which this method's network has no part in: by the published sizes.
    train, minival, test = 5994 - 599, 599, 5794
    epochs = 200 * (cost.flops.train_image * train + cost.flops.recognize * (minival + test))
    last = cost.flops.recognize * (train + 2 * (minival + test))
    assert cost.total == pytest.approx(epochs + last)
    assert cost.trial_hours == pytest.approx(cost.total / SUSTAINED_TERAFLOPS["fp32"] / 1e12 / 3600)
    assert cost.hours == 2 * cost.trial_hours
    (slow,) = estimate_costs(trials_of("cub", "a"), DataPlaces(), teraflops=1)
    assert slow.trial_hours == pytest.approx(cost.trial_hours * SUSTAINED_TERAFLOPS["fp32"])
    (half,) = estimate_costs(trials_of("cub", "a", precision="bf16"), DataPlaces())
    assert half.teraflops == SUSTAINED_TERAFLOPS["bf16"]


def test_larger_data_costs_more_and_bundled_data_nothing() -> None:
    hours = {
        name: estimate_costs(trials_of(name, "a"), DataPlaces())[0].hours
        for name in PUBLISHED_SIZES
    }
    order = sorted(hours, key=hours.__getitem__)
    assert (order[0], order[-1]) == ("ayahoo", "awa2")
    assert estimate_costs(trials_of("digits", "a"), DataPlaces()) == []


def test_images_are_counted_where_the_data_lies(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "raw", rows=40, name="cub")
    pack(archive, tmp_path / "cub", shorter_side=None, num_workers=1)
    (cost,) = estimate_costs(
        trials_of("cub", "a"), DataPlaces(paths={"cub": str(tmp_path / "cub")})
    )
    # Every fourth is of the test part, and a tenth of the others is minival.
    assert cost.total == pytest.approx(cost.flops.total(SplitSizes(train=27, minival=3, test=10)))


def test_a_dry_run_without_data_says_what_it_needs_and_costs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = ["--methods", "quantized", "wsdan", "--datasets", "cub", "ayahoo", "--seeds", "1"]
    settings = [f"{name}={value}" for name, value in SMALL.items() if name != "weights"]
    given = [part for text in settings for part in ("--set", text)]
    arguments = [*rows, *given, "--set", "weights=none", "--dry-run", "--teraflops", "0.0001"]
    assert main(table1.EXPERIMENT, arguments) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "4 trials" in printed
    for name in ("cub", "ayahoo"):
        assert f"{name}: no --data is given, so its published counts are taken." in printed
        assert f"--data {name}=PATH" in printed
    found = re.search(
        r"not a measurement: (\d+) GPU hours in all \(cub (\d+), ayahoo (\d+)\)", printed
    )
    assert found
    total, cub, ayahoo = map(int, found.groups())
    assert abs(total - cub - ayahoo) <= 1
    assert cub > ayahoo > 0
    assert "sustains 0.0001 TFLOP/s, as given, and every epoch" in printed


def test_a_search_says_what_its_trials_should_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = make_archive(tmp_path / "raw", rows=40, name="cub")
    pack(archive, tmp_path / "cub", shorter_side=None, num_workers=1)
    given = ["--dataset", "cub", "--data", str(tmp_path / "cub"), "--num-trials", "7"]
    settings = [f"{name}={value}" for name, value in SMALL.items() if name != "weights"]
    small = [part for text in (*settings, "weights=none") for part in ("--set", text)]
    assert search.main([*given, *small, "--dry-run"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(r"search \d+ \d+ 200 0\.0 7 0\.0", printed)
    assert "An estimate, not a measurement" in printed


def test_a_dry_run_of_bundled_data_has_no_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--datasets", "digits", "--methods", "sdt", "--dry-run"]
    assert main(table1.EXPERIMENT, arguments) == 0
    printed = capsys.readouterr().out
    assert "3 trials" in printed
    assert "GPU" not in printed
