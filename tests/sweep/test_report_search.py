"""The report of a search, from a real MLflow store and without Optuna's database."""

import io
from pathlib import Path

import numpy as np
import pytest
from optuna.samplers import RandomSampler
from rich.console import Console

from core.config import preset_config
from search_spaces.joint import SPACE as JOINT
from sweep.errors import SweepError
from sweep.report import Report, build_report
from sweep.report.render import show, write
from sweep.tracking import metrics
from sweep.tracking.connect import EXPERIMENT, connect
from sweep.tracking.objectives import SPACE_FILE, space_from_json, space_to_json
from sweep.tracking.plan import Plan
from sweep.tracking.reader import read_sweeps
from sweep.tracking.results import SweepResults
from sweep.tracking.store import TrialStore
from sweep.tracking.trials import SEARCH_ARM, TrialSpec
from sweep.tracking.writer import SweepRuns
from tests.sweep.test_report_builds import column

BASE = preset_config("digits")
SPACE = JOINT.varies


def points(count: int) -> list[dict[str, object]]:
    """The paper's setting and others drawn from the space."""
    sampler = RandomSampler(seed=3)
    drawn = [
        {
            name: sampler.sample_independent(None, None, name, kind)  # type: ignore[arg-type]
            for name, kind in SPACE.items()
        }
        for _ in range(count - 1)
    ]
    return [dict(JOINT.first), *drawn]


def searched(
    folder: Path, count: int, *, objective: str = "minival-accuracy", failed: int = 0
) -> SweepResults:
    """A search whose value rises with p, and whose last trials failed."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client, experiment_id = connect(uri, EXPERIMENT, artifact_root=folder / "artifacts")
    plan = Plan(
        name="search", title="Search on digits", base=BASE.to_dict(), arms=(), seeds=(0,), trials=()
    )
    with SweepRuns(
        client,
        experiment_id,
        sweep_id="s",
        plan=plan,
        tags={metrics.TAG_SWEEP: "search", metrics.TAG_OBJECTIVE: objective},
        searched=tuple(SPACE),
        documents={SPACE_FILE: space_to_json(SPACE)},
    ) as runs:
        for number, point in enumerate(points(count + failed)):
            trial = TrialSpec(
                arms=(SEARCH_ARM,), config=BASE.replace(point), dataset_fingerprint="f" * 64
            )
            runs.trial_started(trial)
            if number >= count:
                runs.trial_failed(trial, "loss is nan")
                continue
            store = TrialStore.of(str(folder / "trials"), "s", trial.hash, "f" * 64)
            (folder / trial.hash).mkdir()
            store.put_artifacts(folder / trial.hash)
            value = 0.5 + 0.3 * trial.config.mask_probability
            final = {
                metrics.final(metrics.MINIVAL_ACCURACY): value,
                metrics.final(metrics.FIDELITY_SCORE): 1 - value,
            }
            runs.trial_finished(trial.hash, final, store)
    (results,) = read_sweeps(client, experiment_id, "search")
    return results


def sentences(report: Report) -> str:
    return " ".join(report.texts)


def test_every_trial_is_there_the_best_first_with_what_was_searched(tmp_path: Path) -> None:
    results = searched(tmp_path, 12, failed=1)
    report = build_report(results)
    (table,) = report.tables
    found = {number: row for number, *row in table.rows}
    for number, point in enumerate(points(12)):
        config = BASE.replace(point).to_dict()
        values = [config[name] for name in SPACE]
        assert found[number][1:-1] == values
    objective = column(table, "minival-accuracy")
    assert objective == sorted(objective, reverse=True)  # type: ignore[type-var]
    history, importance = report.figures
    best = [point.y for point in history.panels[0].series[1].points]
    assert best == list(np.maximum.accumulate([p.y for p in history.panels[0].series[0].points]))
    assert importance.panels[0].categories is not None
    assert importance.panels[0].categories[-1] == "mask_probability"
    assert "from 12 trials only" in sentences(report)
    assert "1 trials failed" in sentences(report)
    names = [path.name for path in write(report, tmp_path / "report")]
    assert names == [
        f"{name}.{kind}"
        for name, kinds in (
            ("trials", ("csv", "parquet")),
            ("history", ("png", "svg")),
            ("importance", ("png", "svg")),
        )
        for kind in kinds
    ]
    assert build_report(results) == report
    console = Console(file=io.StringIO(), width=80)
    show(report, console)
    assert isinstance(console.file, io.StringIO)
    assert "trial   minival-accuracy" in console.file.getvalue()
    assert "…" not in console.file.getvalue()


def test_few_trials_have_no_importances_and_none_no_table(tmp_path: Path) -> None:
    report = build_report(searched(tmp_path, 2))
    assert [figure.name for figure in report.figures] == ["history"]
    (tmp_path / "none").mkdir()
    report = build_report(searched(tmp_path / "none", 0, failed=1))
    assert report.tables == ()
    assert sentences(report) == "No trial of the search is complete yet."


def test_a_search_on_fidelity_says_so(tmp_path: Path) -> None:
    results = searched(tmp_path, 3, objective="oracle-fidelity")
    report = build_report(results)
    values = sorted(1 - (0.5 + 0.3 * BASE.replace(p).mask_probability) for p in points(3))
    assert column(report.tables[0], "oracle-fidelity") == pytest.approx(values[::-1])
    assert "read test attributes" in sentences(report)


def test_a_trial_is_named_by_what_was_searched(tmp_path: Path) -> None:
    results = searched(tmp_path, 1)
    run = results.open_client().get_run(results.trials[0].run_id)
    name = run.data.tags["mlflow.runName"]
    assert name.split() == [
        "n=1024",
        "r=4",
        "λ1=2",
        "λ2=1",
        "λ3=0.001",
        "p=0.5",
        "norm=l1",
        "seed=0",
    ]
    assert not set(SPACE) & set(results.open_client().get_run(results.run_id).data.params)


def test_a_space_comes_back_and_a_missing_one_is_refused(tmp_path: Path) -> None:
    assert space_from_json(space_to_json(SPACE)) == dict(SPACE)
    results = searched(tmp_path, 1)
    (tmp_path / "artifacts" / results.run_id / "artifacts" / SPACE_FILE).unlink()
    with pytest.raises(SweepError, match="has no readable"):
        build_report(results)
