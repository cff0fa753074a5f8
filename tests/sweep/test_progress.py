"""What a person sees of a sweep that runs: in a log, and on a terminal."""

import io

import pytest
from rich.console import Console

from sweep.engine import progress
from sweep.engine.progress import ProgressView
from sweep.tracking import metrics

FINAL = {metrics.final(metrics.MINIVAL_ACCURACY): 0.5}


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def view_of(text: io.StringIO, *, num_total: int = 4, terminal: bool = False) -> ProgressView:
    console = Console(file=text, force_terminal=terminal, width=150)
    return ProgressView(console, num_total=num_total, num_done=0, num_parallel=lambda: 1)


def test_a_log_has_a_line_for_each_end_and_one_a_minute_between(clock: Clock) -> None:
    text = io.StringIO()
    view = view_of(text)
    with view:
        view.started("a", "first", num_epochs=600)
        for epoch in range(1, 601):  # ten minutes
            clock.now += 1
            view.advanced("a", epoch)
        assert 9 <= len(text.getvalue().splitlines()) <= 10
        before = len(text.getvalue().splitlines())
        view.finished("a", FINAL)
        view.started("b", "second", num_epochs=6)
        view.failed("b", "second", "loss is nan")
        lines = text.getvalue().splitlines()[before:]
    assert lines[0].startswith("1/4 done · 0 running · 0 failed")
    assert lines[1] == "failed: second: loss is nan"
    assert lines[2].startswith("1/4 done · 0 running · 1 failed")
    assert len(lines) == 3


def test_the_time_left_goes_down_while_a_trial_runs(clock: Clock) -> None:
    view = view_of(io.StringIO(), num_total=2)
    assert view._seconds_left() is None
    view.started("a", "first", num_epochs=10)
    clock.now += 10
    view.advanced("a", 1)
    assert view._seconds_left() == pytest.approx(0.9 * 100 + 100)
    clock.now += 40
    view.advanced("a", 5)
    assert view._seconds_left() == pytest.approx(0.5 * 100 + 100)
    clock.now += 50
    view.finished("a", FINAL)
    assert view._seconds_left() == pytest.approx(100)
    view.started("b", "second", num_epochs=10)
    view.advanced("b", 8)
    assert view._seconds_left() == pytest.approx(20)


def test_a_terminal_shows_which_epoch_of_how_many(clock: Clock) -> None:
    text = io.StringIO()
    view = view_of(text, terminal=True)
    with view:
        view.started("a", "p=0.3 seed=1", num_epochs=6)
        view.advanced("a", 2)
    assert "running: p=0.3 seed=1, epoch 3 of 6" in text.getvalue()
