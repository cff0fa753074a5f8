"""How many trials are under way at once, while a cluster grows and shrinks."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.tune.search import ConcurrencyLimiter, Searcher

from sweep.engine.placement import Placement

_LOOK_EVERY = 1.0


class Capacity:
    """Trials to have under way now, as Ray counts its nodes at this moment.

    Parameters
    ----------
    placement
        Of the trials.
    resources
        Gives what the cluster has, in Ray's words, instead of Ray; asked at most once a second.
    """

    def __init__(
        self,
        placement: Placement,
        resources: Callable[[], Mapping[str, float]] | None = None,
    ) -> None:
        self._placement = placement
        self._resources: Callable[[], Mapping[str, float]] = resources or ray.cluster_resources
        self._asked: float | None = None
        self.latest = 1
        """What was said last, for who must not wait for an answer."""

    def __call__(self) -> int:
        now = time.monotonic()
        if self._asked is None or now - self._asked > _LOOK_EVERY:
            self._asked = now
            self.latest = self._placement.num_parallel(self._resources())
        return self.latest


class CapacityLimiter(ConcurrencyLimiter):
    """Suggests a trial only while fewer are under way than `capacity` says."""

    def __init__(self, searcher: Searcher, capacity: Callable[[], int]) -> None:
        super().__init__(searcher, max_concurrent=capacity())
        self._capacity = capacity

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        self.max_concurrent = self._capacity()
        suggested: dict[str, Any] | None = super().suggest(trial_id)
        return suggested
