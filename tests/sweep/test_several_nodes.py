"""Sweeps over four nodes, an S3 server and MLflow on PostgreSQL, all of them real processes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cache import CACHE_VARIABLE
from core.data.packed import pack
from sweep.tracking import metrics
from tests.chaos.ordeal import ordeal
from tests.chaos.world import BUCKET, World, world
from tests.core.data.packing import make_archive
from tests.sweep.command import assert_each_trial_once, children, run, start

pytestmark = pytest.mark.slow

NUM_NODES = 4
PACKED = {"trunk": "conv", "weights": None, "resize_size": 24, "crop_size": 16, "num_epochs": 2}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of four nodes of one CPU, each with a cache of its own."""
    folder = tmp_path_factory.mktemp("four")
    with world(folder) as its:
        for number in range(NUM_NODES):
            its.nodes.add(**{CACHE_VARIABLE: str(folder / f"cache-{number}")})
        yield its


def sweep(its: World, module: str, output: Path, *arguments: str) -> str:
    driver = start(
        *(module, "--output", output, "--tracking-uri", its.tracking_uri),
        *("--storage", its.storage, "--address", its.nodes.address, *arguments),
        **its.nodes.variables,
        **{CACHE_VARIABLE: str(output / "cache")},
    )
    text, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, text
    return text


def test_a_sweep_spreads_and_packed_data_comes_to_each_node_once(
    four: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in four.variables.items():
        monkeypatch.setenv(name, value)
    place = f"s3://{BUCKET}/cub"
    pack(make_archive(tmp_path, 60, name="cub"), place, num_workers=1)
    settings = [f"--set={key}={json.dumps(value)}" for key, value in PACKED.items()]
    data = ["--dataset", "cub", "--data", place, "--seeds", "4", *settings]
    sweep(four, "tests.sweep.tiny", tmp_path / "out", *data)
    assert_each_trial_once(children(four.tracking_uri), 12)
    caches = sorted(four.folder.glob("cache-*"))
    assert len(caches) == NUM_NODES, "every node has had a trial"
    for cache in caches:
        assert len(list(cache.rglob("manifest.json"))) == 1
        assert not list(cache.rglob("*.tmp"))


def test_a_trial_of_four_workers_on_four_nodes_is_that_of_one(four: World, tmp_path: Path) -> None:
    arguments = ("--seeds", "1", "--set=num_epochs=3", "--set=trunk_norm=group")
    code, text = run(
        *("tests.sweep.single", "--output", tmp_path / "one", "--address", "local", *arguments)
    )
    assert code == 0, text
    (one,) = children(f"sqlite:///{tmp_path / 'one' / 'mlflow.db'}", "single")
    workers = ("--workers-per-trial", "4")
    sweep(four, "tests.sweep.single", tmp_path / "four", *arguments, *workers)
    (many,) = children(four.tracking_uri, "single")
    for key in map(metrics.final, (metrics.LABEL_LOSS, metrics.TREE_LOSS)):
        # Sums over workers round differently, and a level may flip: close, not equal.
        assert many.data.metrics[key] == pytest.approx(one.data.metrics[key], rel=0.02), key


def test_faults_at_random_moments_bend_nothing(tmp_path: Path) -> None:
    """`python -m tests.chaos` has more of them."""
    said = list(ordeal(tmp_path, seed=0, faults=["half", "driver", "s3"], arguments=[]))
    assert said[-1].startswith("Nothing lost, doubled, left or bent: 14 trials")
