"""Live progress that a person can read: done, running, failed, time left, best so far."""

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweep.engine.trial import Row
from sweep.tracking import metrics

_LINE_SECONDS = 10.0


class ProgressView:
    """A live line on a terminal; elsewhere, such as in a job's log, a plain line now and then.

    Parameters
    ----------
    num_total
        Trials of the sweep.
    num_done
        Those that an earlier run of the command had finished.
    num_parallel
        How many run at once, for the time left.
    """

    def __init__(
        self, console: Console, *, num_total: int, num_done: int, num_parallel: int
    ) -> None:
        self._console = console
        self._num_total = num_total
        self._num_done = num_done
        self._num_parallel = num_parallel
        self._running: dict[str, tuple[str, int]] = {}
        self._num_failed = 0
        self._durations: list[float] = []
        self._started: dict[str, float] = {}
        self._best: tuple[float, str] | None = None
        self._last_line = 0.0
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
        else:
            self._console.print(self._summary())

    def started(self, config_hash: str, name: str) -> None:
        self._running[config_hash] = (name, 0)
        self._started[config_hash] = time.monotonic()
        self._show()

    def advanced(self, config_hash: str, epoch: int) -> None:
        if config_hash in self._running:
            self._running[config_hash] = (self._running[config_hash][0], epoch + 1)
        self._show()

    def finished(self, config_hash: str, final: Row) -> None:
        name = self._end(config_hash)
        self._num_done += 1
        accuracy = final[metrics.final(metrics.MINIVAL_ACCURACY)]
        if self._best is None or accuracy > self._best[0]:
            self._best = (accuracy, name)
        self._show()

    def failed(self, config_hash: str, reason: str) -> None:
        name = self._end(config_hash)
        self._num_failed += 1
        self._console.print(Text(f"failed: {name}: {reason}", style="red"))
        self._show()

    def _end(self, config_hash: str) -> str:
        name, _ = self._running.pop(config_hash, (config_hash, 0))
        if config_hash in self._started:
            self._durations.append(time.monotonic() - self._started.pop(config_hash))
        return name

    def _show(self) -> None:
        if self._console.is_terminal:
            self._live.update(self._render())
        elif time.monotonic() - self._last_line > _LINE_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(self._summary())

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_row(Text(self._summary(), style="bold"))
        for name, epochs in self._running.values():
            table.add_row(Text(f"  running: {name}, {epochs} epochs", style="dim"))
        return table

    def _summary(self) -> str:
        parts = [
            f"{self._num_done}/{self._num_total} done",
            f"{len(self._running)} running",
            f"{self._num_failed} failed",
        ]
        if self._durations:
            left = self._num_total - self._num_done - self._num_failed
            mean = sum(self._durations) / len(self._durations)
            parts.append(f"about {_duration(left * mean / self._num_parallel)} left")
        if self._best:
            parts.append(f"best minival accuracy {100 * self._best[0]:.1f} ({self._best[1]})")
        return " · ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
