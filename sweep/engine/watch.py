"""A cluster that is gone: noticed by us before Ray ends the driver in its own words, or never."""

import _thread
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import ray

_LOOK_EVERY = 0.5
_ANSWER_WITHIN = 3.0

RAYLET_SECONDS = 1.0
"""How long this node's raylet may not answer. Nothing brings it back, and Ray soon tells of every
trial that it failed."""

HEAD_SECONDS = 7.0
"""The same of the head, which may be restarted where Ray keeps its state in Redis."""

LEAVE_SECONDS = 4.0
"""How long the driver may take to leave in order, once its cluster is lost."""


@dataclass
class ClusterWatch:
    """What the watch has seen."""

    lost: str | None = None
    """What does not answer any more, in words; None while all is well."""

    left: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watch_cluster(give_up: Callable[[str], None]) -> Iterator[ClusterWatch]:
    """Interrupt the main thread, as Ctrl-C would, if the cluster that it drives is gone.

    Ray's own answer is another: it tells Tune that every trial failed, waits for a minute, and ends
    the process in the middle of whatever it does.

    Parameters
    ----------
    give_up
        Called from the watch's thread with the words, if the main thread does not leave the block
        in `LEAVE_SECONDS`: it may stand in a call to Ray that never returns. It must end the
        process.
    """
    watch = ClusterWatch()
    # What cannot be reached from here while all is well says nothing later.
    places = [place for place in _places() if place.answers()]
    thread = threading.Thread(
        target=_look, args=(watch, places, give_up), name="cluster watch", daemon=True
    )
    thread.start()
    try:
        yield watch
    finally:
        watch.left.set()


@dataclass(frozen=True, kw_only=True)
class _Place:
    words: str
    host: str
    port: int
    seconds: float

    def answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=_ANSWER_WITHIN):
                return True
        except OSError:
            return False


def _places() -> list[_Place]:
    """The head and this node's raylet."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    places = [
        _Place(
            words=f"its head does not answer at {context.gcs_address}",
            host=host.strip("[]"),
            port=int(port),
            seconds=HEAD_SECONDS,
        )
    ]
    own = context.get_node_id()
    nodes: list[Mapping[str, object]] = ray.nodes()  # type: ignore[no-untyped-call]
    places += [
        _Place(
            words="this node's raylet is gone",
            host=str(node["NodeManagerAddress"]),
            port=int(str(node["NodeManagerPort"])),
            seconds=RAYLET_SECONDS,
        )
        for node in nodes
        if node["NodeID"] == own
    ]
    return places


def _look(watch: ClusterWatch, places: list[_Place], give_up: Callable[[str], None]) -> None:
    answered = dict.fromkeys(places, time.monotonic())
    while not watch.left.wait(_LOOK_EVERY):
        for place in places:
            if place.answers():
                answered[place] = time.monotonic()
            elif time.monotonic() - answered[place] > place.seconds:
                watch.lost = place.words
                _thread.interrupt_main()
                if not watch.left.wait(LEAVE_SECONDS):
                    give_up(place.words)
                return
