"""What is said of one number over several seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation over seeds; None for the deviation of one seed."""

    mean: float
    deviation: float | None
    values: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(mean=statistics.fmean(values), deviation=deviation, values=tuple(values))

    def interval(self) -> tuple[float, float] | None:
        """The mean's Student-t interval at `CONFIDENCE`; None for one seed."""
        if self.deviation is None:
            return None
        half = half_width(self.deviation, self.count)
        return self.mean - half, self.mean + half


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Mean over the seeds of one arm minus another, paired, with a Student-t interval."""

    mean: float
    half_width: float | None
    """None for a single pair: one difference says nothing of how far it would vary."""

    count: int

    @classmethod
    def of(cls, first: Mapping[int, float], second: Mapping[int, float]) -> "Difference | None":
        """Compare two arms on the seeds that both have; None if there are none."""
        differences = [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]
        if not differences:
            return None
        width = None
        if len(differences) > 1:
            width = half_width(statistics.stdev(differences), len(differences))
        return cls(mean=statistics.fmean(differences), half_width=width, count=len(differences))

    def interval(self) -> tuple[float, float] | None:
        """From low to high; None for a single pair."""
        if self.half_width is None:
            return None
        return self.mean - self.half_width, self.mean + self.half_width


def half_width(deviation: float, count: int) -> float:
    """Half of a Student-t interval of a mean at `CONFIDENCE`.

    Student's t and not the normal's 1.96: over three seeds the factor is 4.3.
    """
    # Imported here: scipy.stats takes half a second, and a command's help needs no interval.
    from scipy.stats import t as student_t

    quantile = float(student_t.ppf(0.5 + CONFIDENCE / 2, count - 1))
    return quantile * deviation / math.sqrt(count)
