"""What MLflow holds of a sweep, read back from a real store."""

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from core.config import TrainConfig
from sweep.errors import SweepError
from sweep.spec import SweepSpec, grid
from sweep.tracking import metrics
from sweep.tracking.connect import connect_to_read
from sweep.tracking.plan import Plan
from sweep.tracking.reader import PLAN_FILE, read_sweeps, sweep_names
from sweep.tracking.results import SweepResults
from sweep.tracking.rows import EpochRow
from tests.sweep.results import by_seed, store_sweep

ROWS = [
    EpochRow(
        epoch=epoch,
        timestamp_ms=1000 + epoch,
        values={"loss/of a new method": 1.0 / (1 + epoch)},
    )
    for epoch in range(3)
]


def spec_of(name: str = "small", **base: object) -> SweepSpec:
    return SweepSpec(
        name=name,
        title=f"title of {name}",
        base=TrainConfig(**base),  # type: ignore[arg-type]
        arms={"plain": {"tree_weight": 0.0}} | grid(mask_probability=(0.25, 0.75)),
        seeds=(0, 1),
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    options = {"rows": ROWS, "artifact_root": folder / "artifacts"}
    store_sweep(uri, folder, spec_of(), failing=("plain",), **options)  # type: ignore[arg-type]
    return uri


def read(uri: str) -> SweepResults:
    client, experiment_id = connect_to_read(uri)
    (results,) = read_sweeps(client, experiment_id, "small")
    return results


def test_plan_numbers_and_failures_come_back(store: str) -> None:
    results, spec = read(store), spec_of()
    data = {trial.hash: "f" * 64 for trial in spec.trials()}
    assert results.plan == Plan.from_json(spec.plan(data).to_json())
    kept = [trial for trial in spec.trials() if trial.arm != "plain"]
    assert [trial.config_hash for trial in results.trials] == [trial.hash for trial in kept]
    for found, trial in zip(results.trials, kept, strict=True):
        assert found.seed == trial.config.seed
        assert found.params["mask_probability"] == str(trial.config.mask_probability)
        assert found.dataset_fingerprint == "f" * 64
        assert found.final == {key: by_seed(key, trial) for key in metrics.FINAL_METRICS}
    failed = {trial.hash: "loss is nan" for trial in spec.trials() if trial.arm == "plain"}
    assert results.failures == failed


def test_an_arm_has_the_metrics_that_its_trials_have(store: str) -> None:
    results = read(store)
    key = metrics.final(metrics.TEST_ACCURACY)
    assert list(results.final("mask_probability=0.25", key)) == [0, 1]
    assert results.final("plain", key) == {}
    assert results.final("mask_probability=0.25", "final/unheard of") == {}


def test_any_metric_of_a_row_has_its_history(store: str, tmp_path: Path) -> None:
    results = read(store)
    (trial, *_) = results.trials
    assert results.history(trial) == {
        "loss/of a new method": [(0, 1.0), (1, 1 / 2), (2, 1 / 3)],
    }
    assert results.artifacts(trial) == ["tree.txt"]
    assert results.artifact(trial, "tree.txt", tmp_path).read_text() == "mask_probability=0.25"
    with pytest.raises(SweepError, match=r"has no readable 'other\.txt'"):
        results.artifact(trial, "other.txt", tmp_path)


def test_the_sweeps_own_run_says_what_is_fixed(store: str) -> None:
    results = read(store)
    run = results.open_client().get_run(results.run_id)
    fixed = TrainConfig().to_dict().keys() - {"mask_probability", "tree_weight", "seed"}
    assert run.data.params == {key: str(TrainConfig().to_dict()[key]) for key in fixed}
    assert run.data.tags["mlflow.runName"] == "title of small"
    assert run.data.tags[metrics.TAG_COMMAND]


def test_a_childs_name_starts_with_what_differs_and_it_has_its_data(store: str) -> None:
    results = read(store)
    run = results.open_client().get_run(results.trials[0].run_id)
    assert run.data.tags["mlflow.runName"] == "p=0.25 seed=0"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", "f" * 36)


def test_reading_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="There is no file"):
        connect_to_read(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert list(tmp_path.iterdir()) == []
    uri = f"sqlite:///{tmp_path / 'empty.db'}"
    MlflowClient(tracking_uri=uri).search_experiments()
    with pytest.raises(SweepError, match="holds no experiment"):
        connect_to_read(uri)


def test_a_name_that_is_not_there_is_answered_with_those_that_are(store: str) -> None:
    client, experiment_id = connect_to_read(store)
    assert sweep_names(client, experiment_id) == ["small"]
    with pytest.raises(SweepError, match=r"no sweep 'smal'\. It holds: small\."):
        read_sweeps(client, experiment_id, "smal")


def test_a_sweep_without_its_plan_is_refused_with_the_remedy(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    results = store_sweep(uri, tmp_path, spec_of(), artifact_root=tmp_path / "artifacts")
    (tmp_path / "artifacts" / results.run_id / "artifacts" / PLAN_FILE).unlink()
    with pytest.raises(SweepError, match="running its command again"):
        read(uri)
