"""Final metrics by arm: mean and spread over the seeds, or seed by seed."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sweep.tracking.writer import FinishedTrial


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation over seeds; NaN deviation for one seed."""

    mean: float
    deviation: float
    values: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        deviation = statistics.stdev(values) if len(values) > 1 else math.nan
        return cls(mean=statistics.fmean(values), deviation=deviation, values=tuple(values))

    def percent(self) -> str:
        """As reports show it: "93.1 ± 0.4"."""
        if math.isnan(self.deviation):
            return f"{100 * self.mean:.1f}"
        return f"{100 * self.mean:.1f} ± {100 * self.deviation:.1f}"


def by_arm(trials: Sequence[FinishedTrial], key: str) -> dict[str, Spread]:
    """Summarise one final metric over the seeds of each arm, in the order of the trials."""
    values: dict[str, list[float]] = {}
    for trial in trials:
        values.setdefault(trial.arm, []).append(trial.final[key])
    return {arm: Spread.of(numbers) for arm, numbers in values.items()}


def by_seed(trials: Sequence[FinishedTrial], arm: str, key: str) -> dict[int, float]:
    """One final metric of each finished seed of an arm."""
    return {trial.seed: trial.final[key] for trial in trials if trial.arm == arm}
