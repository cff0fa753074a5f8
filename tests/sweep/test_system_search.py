"""A search on a real local Ray: told once, taken up after a kill, failed trials as failures."""

import math
import signal
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from core.config import preset_config
from search_spaces.joint import SPACE
from sweep import search
from sweep.cli import EXIT_REFUSED
from sweep.engine.study import default_storage, ended, open_storage
from sweep.engine.trial import TrialRun, TrialSettings
from sweep.tracking import metrics
from tests.sweep.command import assert_every_epoch_once, call, children, start

pytestmark = pytest.mark.slow

NUM_TRIALS = 6
ARGUMENTS = (
    *("--num-trials", str(NUM_TRIALS), "--set", "num_epochs=2"),
    *("--set", "trunk_width=4", "--set", "hidden_dim=8", "--set", "batch_size=128"),
)


def study_of(output: Path) -> optuna.Study:
    storage = open_storage(default_storage(output))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def num_ended(output: Path) -> int:
    names = optuna.get_all_study_names(open_storage(default_storage(output)))
    return len(ended(study_of(output))) if names else 0


def test_killed_and_started_again_every_trial_is_told_once(tmp_path: Path) -> None:
    # One trial at a time, so that the driver has a core for noticing and writing their ends.
    process = start("sweep.search", "--output", tmp_path, *ARGUMENTS, "--max-concurrent", "1")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if Path(default_storage(tmp_path)).exists() and num_ended(tmp_path) >= 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    before = {t.number: t.value for t in ended(study_of(tmp_path))}
    assert 2 <= len(before) < NUM_TRIALS

    code, text = call(search.main, "--output", tmp_path, *ARGUMENTS)
    assert code == 0, text
    study = study_of(tmp_path)
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert len(complete) == NUM_TRIALS
    assert not study.get_trials(states=(TrialState.RUNNING,))
    assert all(study.trials[number].value == value for number, value in before.items())
    assert study.trials[0].params == SPACE.first
    # Every point stands in MLflow once, with the value that Optuna was told.
    runs = children(f"sqlite:///{tmp_path / 'mlflow.db'}", "search")
    counts = Counter(run.data.tags[metrics.TAG_CONFIG_HASH] for run in runs)
    assert set(counts.values()) == {1}
    told = sorted(trial.value for trial in complete)
    assert told == sorted(r.data.metrics[metrics.final(metrics.MINIVAL_ACCURACY)] for r in runs)

    code, text = call(search.main, "--output", tmp_path, *ARGUMENTS)
    assert code == 0
    assert len(study_of(tmp_path).trials) == len(study.trials)
    for name in ("trials.csv", "history.png", "importance.png"):
        assert (tmp_path / "search" / name).stat().st_size > 0


def test_a_trial_that_is_not_finite_is_a_failed_trial_in_optuna(tmp_path: Path) -> None:
    arguments = (*ARGUMENTS, "--num-trials", "2", "--set", "learning_rate=1e30")
    code, text = call(search.main, "--output", tmp_path, *arguments)
    assert code == 1
    assert "2 of 2 trials failed" in text
    study = study_of(tmp_path)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2
    assert all(trial.value is None or math.isnan(trial.value) for trial in study.trials)


def test_pruned_trials_are_no_failures(tmp_path: Path) -> None:
    arguments = (
        *("--num-trials", "16", "--pruner", "median", "--sampler", "random", "--space", "lambdas"),
        *("--set", "num_epochs=6", "--max-concurrent", "1", *ARGUMENTS[4:]),
        # Steps from useless to far too large, so that some are far behind.
        *("--range", "label_weight=0.00001:1000"),
    )
    code, text = call(search.main, "--output", tmp_path, *arguments)
    assert code == 0, text
    study = study_of(tmp_path)
    pruned = study.get_trials(states=(TrialState.PRUNED,))
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert pruned
    assert len(pruned) + len(complete) == 16
    assert f"{len(pruned)} trials were pruned" in " ".join(text.split())
    runs = children(f"sqlite:///{tmp_path / 'mlflow.db'}", "search")
    assert len(runs) == 16
    by_number = {int(run.data.tags[metrics.TAG_STUDY_TRIAL]): run for run in runs}
    for trial in pruned:
        run = by_number[trial.number]
        assert run.info.status == "KILLED"
        assert run.data.tags[metrics.TAG_PRUNED] == f"after {len(trial.intermediate_values)} epochs"
        assert metrics.TAG_FAILURE not in run.data.tags
        assert len(trial.intermediate_values) < 6
    for trial in complete:
        assert list(trial.intermediate_values) == list(range(6)), "curves by epoch"
    assert not list((tmp_path / "trials").rglob("*.pt")), "nothing to go on with"


def test_seeds_objectives_and_a_grid_together(tmp_path: Path) -> None:
    arguments = (
        *ARGUMENTS[2:],
        *("--space", "size", "--sampler", "grid", "--range", "feature_dim=32,64"),
        *("--range", "num_bits=2", "--seeds-per-trial", "2"),
        *("--objective", "minival-accuracy", "zero-share"),
    )
    code, text = call(search.main, "--output", tmp_path, *arguments)
    assert code == 0, text
    assert "Pareto front" in text
    study = study_of(tmp_path)
    assert [trial.params["feature_dim"] for trial in study.trials] == [32, 64]
    runs = children(f"sqlite:///{tmp_path / 'mlflow.db'}", "search")
    by_hash = {run.data.tags[metrics.TAG_CONFIG_HASH]: run.data.metrics for run in runs}
    assert len(by_hash) == 4
    for trial in study.trials:
        finals = [by_hash[config_hash] for config_hash in trial.user_attrs["config_hashes"]]
        for value, key in zip(
            trial.values, (metrics.MINIVAL_ACCURACY, metrics.ZERO_SHARE), strict=True
        ):
            assert value == pytest.approx(sum(final[metrics.final(key)] for final in finals) / 2)
    assert (tmp_path / "search" / "pareto_front.png").stat().st_size > 0


def test_what_optuna_was_told_and_mlflow_was_not_is_sent_later(tmp_path: Path) -> None:
    """A driver killed between the two leaves the end of a trial in the trial's own storage."""
    arguments = ("--output", tmp_path, *ARGUMENTS, "--num-trials", "1")
    code, text = call(search.main, *arguments)
    assert code == 0, text
    (sent,) = children(f"sqlite:///{tmp_path / 'mlflow.db'}", "search")
    # The state of that moment: Optuna has the trial's end, the store as well, MLflow has nothing.
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    arguments = (*arguments, "--tracking-uri", uri)
    code, text = call(search.main, *arguments)
    assert code == EXIT_REFUSED
    assert "Trial 0 of the study is complete, but neither MLflow nor --storage" in text

    base = preset_config("digits").replace(dict(map(assignment, ARGUMENTS[3::2])))
    config = base.replace(SPACE.first)
    settings = TrialSettings(
        base=config.to_dict(),
        sweep_id=sent.data.tags[metrics.TAG_SWEEP_ID],
        storage=str(tmp_path / "trials"),
    )
    trial = TrialRun(config, settings)
    while not trial.advance().done:
        pass
    code, text = call(search.main, *arguments)
    assert code == 0, text
    (again,) = children(uri, "search")
    assert again.info.status == "FINISHED"
    assert again.data.tags[metrics.TAG_CONFIG_HASH] == sent.data.tags[metrics.TAG_CONFIG_HASH]
    assert_every_epoch_once(uri, [again], 2)
    measured = {key for key in sent.data.metrics if metrics.is_system(key)}
    assert set(again.data.metrics) == set(sent.data.metrics) - measured
    (told,) = ended(study_of(tmp_path))
    assert told.value == again.data.metrics[metrics.final(metrics.MINIVAL_ACCURACY)]


def assignment(text: str) -> tuple[str, int]:
    key, _, value = text.partition("=")
    return key, int(value)
