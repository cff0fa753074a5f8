"""`python -m sweep.report`: from MLflow alone, the files that the sweep's own command wrote."""

import dataclasses
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from rich.console import Console

from core.config import preset_config
from sweep import ablation_p
from sweep.report.__main__ import EXIT_OK, EXIT_REFUSED, main
from sweep.report.present import present
from sweep.spec import SweepSpec
from sweep.tracking import metrics
from sweep.tracking.connect import EXPERIMENT
from sweep.tracking.publisher import publish
from sweep.tracking.reader import PARENT_TAG
from sweep.tracking.results import SweepResults
from tests.sweep.command import run
from tests.sweep.results import store_sweep

FILES = (
    "differences.csv",
    "differences.parquet",
    "figure.png",
    "figure.svg",
    "penalties.csv",
    "penalties.parquet",
    "table.csv",
    "table.parquet",
)


def spec_of(seeds: int = 2, **changes: object) -> SweepSpec:
    return ablation_p.build(preset_config("digits").replace(changes), range(seeds))


def finish(folder: Path, spec: SweepSpec) -> SweepResults:
    """What a sweep's own command does once its trials are over."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    results = store_sweep(uri, folder, spec, artifact_root=folder / "artifacts")
    report = ablation_p.EXPERIMENT.report
    present(results, report, folder / spec.name, Console(quiet=True), to_mlflow=True)
    return results


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SweepResults]:
    folder = tmp_path_factory.mktemp("finished")
    return folder, finish(folder, spec_of())


def test_it_writes_the_same_files_elsewhere(
    finished: tuple[Path, SweepResults], tmp_path: Path
) -> None:
    folder, _ = finished
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    code, text = run("sweep.report", "ablation_p", "--tracking-uri", uri, "--output", tmp_path)
    assert code == EXIT_OK, text
    assert "norm=l1 p=0.3" in text
    assert "Downloading" not in text
    again = contents(tmp_path / "ablation_p")
    assert tuple(again) == FILES
    assert again == contents(folder / "ablation_p")


def test_the_sweeps_own_run_has_report_note_and_arms(finished: tuple[Path, SweepResults]) -> None:
    _, results = finished
    client = results.open_client()
    held = [file.path for file in client.list_artifacts(results.run_id, "report")]
    assert held == [f"report/{name}" for name in FILES]
    note = client.get_run(results.run_id).data.tags["mlflow.note.content"]
    assert "| norm=l1 p=0.3 |" in note
    arms = arm_runs(client, results)
    assert {run.data.tags[metrics.TAG_ARM] for run in arms} == {a.name for a in results.plan.arms}
    (arm,) = (run for run in arms if run.data.tags["mlflow.runName"] == "norm=l2 p=0.8")
    key = metrics.TEST_ACCURACY
    values = results.final("sparsity_norm=l2 mask_probability=0.8", metrics.final(key)).values()
    assert arm.data.metrics[f"{key}/mean"] == pytest.approx(sum(values) / 2)
    assert arm.data.metrics[f"{key}/deviation"] == pytest.approx(0.01 / 2**0.5)
    assert arm.data.metrics["seeds"] == 2
    assert arm.data.params["mask_probability"] == "0.8"
    assert set(arm.data.params) == {
        "mask_probability",
        "sparsity_norm",
        "sparsity_weight",
        "tree_weight",
    }


def test_one_more_seed_brings_the_arms_up_to_date_and_they_are_no_trials(tmp_path: Path) -> None:
    finish(tmp_path, spec_of(1))
    results = finish(tmp_path, spec_of(3))
    assert len(results.trials) == 3 * 17
    assert len(results.plan.trials) == 3 * 20
    arms = arm_runs(results.open_client(), results)
    assert len(arms) == 20
    assert {run.data.metrics["seeds"] for run in arms} == {3}
    key = metrics.final(metrics.TEST_ACCURACY)
    for run_of_arm in arms:
        values = results.final(run_of_arm.data.tags[metrics.TAG_ARM], key).values()
        mean = run_of_arm.data.metrics[f"{metrics.TEST_ACCURACY}/mean"]
        assert mean == pytest.approx(sum(values) / 3)


def test_sweeps_that_share_a_name_are_listed_and_all_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = finish(tmp_path, spec_of(1))
    new = finish(tmp_path, spec_of(1, num_epochs=3))
    ids = [results.tags[metrics.TAG_SWEEP_ID] for results in (old, new)]
    assert main(["ablation_p", "--output", str(tmp_path)]) == EXIT_OK
    output = capsys.readouterr().out
    assert "2 sweeps are named ablation_p" in output
    assert all(sweep_id in output for sweep_id in ids)
    assert set(contents(tmp_path / "ablation_p")) == set(FILES)
    assert set(contents(tmp_path / f"ablation_p-{ids[0]}")) == set(FILES)
    assert not (tmp_path / f"ablation_p-{ids[1]}").exists()

    chosen = tmp_path / "chosen"
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    where = ["--tracking-uri", uri, "--output", str(chosen)]
    assert main(["ablation_p", *where, "--sweep-id", ids[0]]) == EXIT_OK
    assert [path.name for path in chosen.iterdir()] == [f"ablation_p-{ids[0]}"]
    assert main(["ablation_p", *where, "--sweep-id", "unknown"]) == EXIT_REFUSED


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ablation"], "The store holds no sweep 'ablation'. It holds: ablation_p."),
        (["ablation_p", "--tracking-uri", "sqlite:////nowhere/mlflow.db"], "There is no file"),
        (["ablation_p", "--tracking-uri", "http://127.0.0.1:1"], "does not answer"),
        (["ablation_p", "other"], "no sweep 'other'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    finished: tuple[Path, SweepResults],
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, _ = finished
    assert main([*arguments, "--output", str(folder)]) == EXIT_REFUSED
    output = capsys.readouterr().out
    assert message in output
    assert output.count("\n") == 1


def test_a_note_that_mlflow_would_refuse_is_cut_at_a_line(tmp_path: Path) -> None:
    results = finish(tmp_path, spec_of(1))
    publish(results, files=[], note="| a row |\n" * 2000, summaries={})
    run = results.open_client().get_run(results.run_id)
    rows, _, rest = run.data.tags["mlflow.note.content"].partition("\n\n")
    assert set(rows.splitlines()) == {"| a row |"}
    assert len(rows) > 7000
    assert "`report/`" in rest


def test_a_server_that_is_away_at_the_end_costs_no_file_and_no_exit_code(
    finished: tuple[Path, SweepResults], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, results = finished
    away = dataclasses.replace(results, client=MlflowClient(tracking_uri="http://127.0.0.1:1"))
    report = ablation_p.EXPERIMENT.report
    present(away, report, tmp_path, Console(width=400), to_mlflow=True)
    assert tuple(contents(tmp_path)) == FILES
    assert "warning: MLflow did not take the report" in capsys.readouterr().out


def arm_runs(client: MlflowClient, results: SweepResults) -> list:  # type: ignore[type-arg]
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found = f"tags.`{PARENT_TAG}` = '{results.run_id}' and tags.kind = 'arm'"
    return list(client.search_runs([experiment.experiment_id], found, max_results=500))
