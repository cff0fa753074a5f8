"""Live progress that a person can read: done, running, failed, time left, best so far."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweep.tracking import metrics

_LINE_SECONDS = 60.0
"""Least time between two lines of a log that differ in epochs alone."""


@dataclass(kw_only=True)
class _Running:
    name: str
    num_epochs: int
    """Most that it can take: early stopping ends a trial sooner."""

    started: float
    epochs: int = 0
    """Finished so far."""

    @property
    def share(self) -> float:
        return min(self.epochs / self.num_epochs, 1.0)


class ProgressView:
    """A live line on a terminal; elsewhere, such as in a job's log, a line for each end of a trial.

    While none ends, a log gets a line a minute, so that one sees that the trials go on.

    Parameters
    ----------
    num_total
        Trials of the sweep; None where nobody knows.
    num_done
        Those that an earlier run of the command had finished.
    num_parallel
        Gives how many run at once, for the time left.
    lag
        Gives what to say of numbers that are not in MLflow yet, if that is worth a word.
    """

    def __init__(
        self,
        console: Console,
        *,
        num_total: int | None,
        num_done: int,
        num_parallel: Callable[[], int],
        lag: Callable[[], str] = lambda: "",
    ) -> None:
        self._console = console
        self._num_total = num_total
        self._num_done = num_done
        self._num_parallel = num_parallel
        self._lag = lag
        self._running: dict[str, _Running] = {}
        self._num_failed = 0
        self._num_pruned = 0
        self._durations: list[float] = []
        self._best: tuple[float, str] | None = None
        self._last_line = time.monotonic()
        self._live = Live(self._render(), console=console, refresh_per_second=4)

    def __enter__(self) -> "ProgressView":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.update(self._render(), refresh=True)
            self._live.stop()
        elif not self._is_over:
            # Interrupted: how far it came. At the end, the last trial has said it.
            self._console.print(self._summary())

    def started(self, config_hash: str, name: str, *, num_epochs: int) -> None:
        self._running[config_hash] = _Running(
            name=name, num_epochs=num_epochs, started=time.monotonic()
        )
        self._show()

    def advanced(self, config_hash: str, epochs: int) -> None:
        """Take how many epochs a trial has finished."""
        if config_hash in self._running:
            self._running[config_hash].epochs = epochs
        self._show()

    def note(self, name: str, sentence: str) -> None:
        """Show what a person should know of a trial."""
        self._say(f"warning: {name}: {sentence}", "yellow")

    def finished(self, config_hash: str, final: Mapping[str, float]) -> None:
        trial = self._end(config_hash)
        self._num_done += 1
        accuracy = final[metrics.final(metrics.MINIVAL_ACCURACY)]
        if trial is not None and (self._best is None or accuracy > self._best[0]):
            self._best = (accuracy, trial.name)
        self._show(ended=True)

    def failed(self, config_hash: str, name: str, reason: str) -> None:
        """Take the end of a trial, which may not even have started."""
        self._end(config_hash)
        self._num_failed += 1
        self._say(f"failed: {name}: {reason}", "red")
        self._show(ended=True)

    def pruned(self, config_hash: str) -> None:
        """Take the end of a trial that was given up."""
        self._end(config_hash)
        self._num_pruned += 1
        self._show(ended=True)

    def _say(self, line: str, style: str) -> None:
        """On one line in a log, however long: who searches it must find what a path cuts in two."""
        self._console.print(Text(line, style=style), soft_wrap=not self._console.is_terminal)

    def _end(self, config_hash: str) -> _Running | None:
        trial = self._running.pop(config_hash, None)
        if trial is not None:
            self._durations.append(time.monotonic() - trial.started)
        return trial

    def _show(self, *, ended: bool = False) -> None:
        if self._console.is_terminal:
            self._live.update(self._render())
        elif ended or time.monotonic() - self._last_line > _LINE_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(self._summary())

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_row(Text(self._summary(), style="bold"))
        for trial in self._running.values():
            epoch = min(trial.epochs + 1, trial.num_epochs)
            line = f"  running: {trial.name}, epoch {epoch} of {trial.num_epochs}"
            table.add_row(Text(line, style="dim"))
        return table

    def _summary(self) -> str:
        parts = [
            f"{self._num_done}{'' if self._num_total is None else f'/{self._num_total}'} done",
            f"{len(self._running)} running",
            f"{self._num_failed} failed",
        ]
        if self._num_pruned:
            parts.append(f"{self._num_pruned} pruned")
        left = self._seconds_left()
        if left is not None and not self._is_over:
            parts.append(f"about {_duration(left)} left")
        if self._best:
            parts.append(f"best minival accuracy {100 * self._best[0]:.1f} ({self._best[1]})")
        if lag := self._lag():
            parts.append(lag)
        return " · ".join(parts)

    @property
    def _num_ended(self) -> int:
        return self._num_done + self._num_failed + self._num_pruned

    @property
    def _is_over(self) -> bool:
        return self._num_total is not None and self._num_ended >= self._num_total

    def _seconds_left(self) -> float | None:
        """From the mean trial so far and what the running ones have behind them."""
        if self._num_total is None:
            return None
        ends = list(self._durations)
        if not ends:
            now = time.monotonic()
            ends = [(now - t.started) / t.share for t in self._running.values() if t.share]
        if not ends:
            return None
        waiting = self._num_total - self._num_ended - len(self._running)
        trials = waiting + sum(1 - trial.share for trial in self._running.values())
        parallel = max(1, min(self._num_parallel(), waiting + len(self._running)))
        return trials * sum(ends) / len(ends) / parallel


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
