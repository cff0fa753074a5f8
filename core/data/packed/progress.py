"""How far packing has come: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from core.data.packed import Progress

_SECONDS_BETWEEN_LINES = 10.0


class PackingProgress:
    """Shows what `core.data.packed.pack` reports, for the length of a ``with`` block.

    Parameters
    ----------
    console
        Where to write.
    clock
        Seconds that pass.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bar = Bar(
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._begun: float | None = None
        self._last_line = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether anything was reported."""
        return self._begun is not None

    def __enter__(self) -> "PackingProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        now = self._clock()
        if self._begun is None:
            self._begun = self._last_line = now
            if progress.resumed:
                self._console.print(
                    f"Going on: {progress.resumed} of {progress.total} images were done before."
                )
        line = progress_line(progress, now - self._begun)
        self._bar.update(
            self._task, completed=progress.done, total=progress.total, description=line
        )
        if not self._console.is_terminal and now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._console.print(line)


def progress_line(progress: Progress, seconds: float) -> str:
    """Say how far, how fast and how long still, at the mean speed of this run.

    Examples
    --------
    >>> progress_line(Progress(done=300, resumed=100, total=1000, unreadable=2), 20.0)
    '300 of 1000 images, 10.0 images/s, 0:01:10 left, 2 unreadable'
    """
    parts = [f"{progress.done} of {progress.total} images"]
    done_now = progress.done - progress.resumed
    if done_now and seconds > 0:
        speed = done_now / seconds
        left = round((progress.total - progress.done) / speed)
        parts += [
            f"{speed:.1f} images/s",
            f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left",
        ]
    if progress.unreadable:
        parts.append(f"{progress.unreadable} unreadable")
    return ", ".join(parts)
