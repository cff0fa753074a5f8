"""What lies under the wrappers in which Tune and Train tell that a trial failed."""

from collections.abc import Iterator

from core.errors import CoreError
from sweep.errors import SweepError


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The errors at the bottom of a wrapped one: one, or one of every worker of a group.

    One that was raised on purpose is a bottom, whatever it was raised from.
    """
    if error is None:
        return
    inner = [] if isinstance(error, CoreError | SweepError) else _inner(error)
    if not inner:
        yield error
    for one in inner:
        yield from causes(one)


def happens_again(error: BaseException | None) -> bool:
    """Whether the same trial would fail in the same way.

    So it does with what is raised on purpose, such as a loss that is not finite or data that are
    not those of the sweep. A process or node that was lost, or storage that did not answer, is
    worth another try.
    """
    return any(isinstance(cause, CoreError | SweepError) for cause in causes(error))


def in_one_line(error: BaseException | None) -> str:
    """What to tell a person: what was raised on purpose, if there is such an error."""
    found = list(causes(error))
    if not found:
        return "the trial's process ended without an error of its own"
    cause = next((one for one in found if happens_again(one)), found[0])
    lines = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {lines[-1] if lines else ''}"


def _inner(error: BaseException) -> list[BaseException]:
    workers = getattr(error, "worker_failures", None)
    if workers:
        return list(workers.values())
    inner = getattr(error, "cause", None) or error.__cause__
    return [inner] if isinstance(inner, BaseException) else []
