"""What Tune is to run, one config after another, and what a trial's run says of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from core.config import TrainConfig
from sweep.tracking.trials import SEARCH_ARM, TrialSpec


def _searched(config_hash: str) -> tuple[str, ...]:
    return (SEARCH_ARM,)


def _no_tags(config_hash: str) -> Mapping[str, str]:
    return {}


def _never(trial_id: str) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """A searcher of Tune's, with what goes with it."""

    searcher: Searcher
    """Suggests overrides of the sweep's base, and FINISHED when there are no more."""

    scheduler: TrialScheduler | None = None
    """Stops trials; without one, none is stopped."""

    arms_of: Callable[[str], tuple[str, ...]] = _searched
    """Names of the arms that a trial serves, by its config hash."""

    tags_of: Callable[[str], Mapping[str, str]] = _no_tags
    """More tags of a trial's run, by its config hash."""

    was_pruned: Callable[[str], bool] = _never
    """Whether a trial that ends before its last epoch was meant to, by Tune's id."""


def listed(base: TrainConfig, trials: Sequence[TrialSpec]) -> Suggestions:
    """Given trials, in their order."""
    arms = {trial.hash: trial.arms for trial in trials}
    return Suggestions(searcher=ListSearcher(base, trials), arms_of=arms.__getitem__)


class ListSearcher(Searcher):
    """Suggests the overrides of given trials, one after another."""

    def __init__(self, base: TrainConfig, trials: Sequence[TrialSpec]) -> None:
        super().__init__()
        self._overrides = [trial.config.changes_from(base) for trial in trials]
        self._next = 0

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # type: ignore[override]
        if self._next == len(self._overrides):
            return str(Searcher.FINISHED)
        self._next += 1
        return self._overrides[self._next - 1]

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing is learnt from a result."""
