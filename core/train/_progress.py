"""How far a run has come: a bar over its epochs on a terminal, a line an epoch elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core.training import EpochResult, TrainState


class TrainingProgress:
    """Shows epochs as they go by, for the length of a ``with`` block.

    Parameters
    ----------
    console
        Where to write.
    num_epochs
        Of the config; early stopping may end before.
    num_batches
        About how many an epoch has.
    """

    def __init__(self, console: Console, *, num_epochs: int, num_batches: int) -> None:
        self._console = console
        self._num_epochs = num_epochs
        self._num_batches = num_batches
        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=num_epochs)

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def start(self, state: TrainState) -> None:
        """Say where a run goes on."""
        batch = state.part.num_batches if state.part is not None else 0
        if state.epoch or batch:
            inside = f", batch {batch + 1}" if batch else ""
            self._console.print(f"Going on at epoch {state.epoch + 1}{inside}.")
        self.batch(state)

    def batch(self, state: TrainState) -> None:
        """Move the bar."""
        part = state.part.num_batches / self._num_batches if state.part is not None else 0.0
        self._bar.update(
            self._task,
            completed=state.epoch + min(part, 1.0),
            description=f"epoch {min(state.epoch + 1, self._num_epochs)} of {self._num_epochs}",
        )

    def epoch(self, result: EpochResult) -> None:
        """Print an epoch's line."""
        self._console.print(epoch_line(result, self._num_epochs))


def epoch_line(result: EpochResult, num_epochs: int) -> str:
    """An epoch in words, such as "epoch 3 of 30: minival 85.0 %, losses label 0.412, 2.1 s"."""
    losses = " ".join(f"{name} {value:.4f}" for name, value in result.losses.items())
    seconds = sum(result.seconds.values())
    return (
        f"epoch {result.epoch + 1} of {num_epochs}: minival {100 * result.minival_accuracy:.1f} %, "
        f"losses {losses}, {seconds:.1f} s"
    )
