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
from search_spaces.joint import PAPER_DEFAULTS
from sweep import search
from sweep.cli import EXIT_REFUSED
from sweep.engine.study import ended
from sweep.engine.trial import TrialRun, TrialSettings
from sweep.tracking import metrics
from tests.sweep.command import assert_every_epoch_once, call, children, count_ended, start

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
    # One trial at a time, so that the driver has a core for noticing and writing their ends.
    process = start("sweep.search", "--output", tmp_path, *ARGUMENTS, "--max-concurrent", "1")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if count_ended(tmp_path / "optuna.db") >= 2:
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
    assert study.trials[0].params == dict(PAPER_DEFAULTS)
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
    config = base.replace(PAPER_DEFAULTS)
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
