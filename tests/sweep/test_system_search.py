"""A search on a real local Ray: told once, taken up after a kill, failed trials as failures."""

import math
import signal
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from search_spaces.joint import PAPER_DEFAULTS
from sweep import metrics
from sweep.study import ended
from tests.sweep.command import children, count_ended, run, start

pytestmark = pytest.mark.slow

NUM_TRIALS = 6
ARGUMENTS = (
    *("--num-trials", str(NUM_TRIALS), "--set", "num_epochs=2"),
    *("--set", "trunk_width=4", "--set", "hidden_dim=8", "--set", "batch_size=128"),
)


def study_of(output: Path) -> optuna.Study:
    storage = f"sqlite:///{output / 'optuna.db'}"
    names = optuna.get_all_study_names(storage)
    assert len(names) == 1
    return optuna.load_study(study_name=names[0], storage=storage)


def test_killed_and_started_again_every_trial_is_told_once(tmp_path: Path) -> None:
    process = start("sweep.search", "--output", tmp_path, *ARGUMENTS)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if count_ended(tmp_path / "optuna.db") >= 2:
            break
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    before = {t.number: t.value for t in ended(study_of(tmp_path))}
    assert 2 <= len(before) < NUM_TRIALS

    code, text = run("sweep.search", "--output", tmp_path, *ARGUMENTS)
    assert code == 0, text
    study = study_of(tmp_path)
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert len(complete) == NUM_TRIALS
    assert not study.get_trials(states=(TrialState.RUNNING,))
    assert all(study.trials[number].value == value for number, value in before.items())
    assert study.trials[0].params == dict(PAPER_DEFAULTS)
    # Every point stands in MLflow once, with the value that Optuna was told.
    runs = children(f"sqlite:///{tmp_path / 'mlflow.db'}", "search")
    counts = Counter(run.data.tags[metrics.TAG_CONFIG_HASH] for run in runs)
    assert set(counts.values()) == {1}
    told = sorted(trial.value for trial in complete)
    assert told == sorted(r.data.metrics[metrics.final(metrics.MINIVAL_ACCURACY)] for r in runs)

    code, text = run("sweep.search", "--output", tmp_path, *ARGUMENTS)
    assert code == 0
    assert len(study_of(tmp_path).trials) == len(study.trials)
    for name in ("trials.csv", "history.png", "importance.png"):
        assert (tmp_path / "search" / name).stat().st_size > 0


def test_a_trial_that_is_not_finite_is_a_failed_trial_in_optuna(tmp_path: Path) -> None:
    arguments = (*ARGUMENTS, "--num-trials", "2", "--set", "learning_rate=1e30")
    code, text = run("sweep.search", "--output", tmp_path, *arguments)
    assert code == 1
    assert "2 of 2 trials failed" in text
    study = study_of(tmp_path)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2
    assert all(trial.value is None or math.isnan(trial.value) for trial in study.trials)
