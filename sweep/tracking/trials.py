"""A trial as the tracker knows it: by its config, its data, and the arms that it serves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.config import TrainConfig

SEARCH_ARM = "search"
"""Arm of a trial whose config a searcher suggested."""


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One training run of a sweep."""

    arms: tuple[str, ...]
    """Names of the arms that it serves: one, or several that are the same run."""

    config: TrainConfig
    dataset_fingerprint: str = ""
    """Of the data that it trains on; empty until the data is known."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """More of its run in MLflow."""

    @property
    def arm(self) -> str:
        """The names of its arms, for people."""
        return " = ".join(self.arms)

    @property
    def hash(self) -> str:
        return self.config.hash
