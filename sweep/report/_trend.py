"""Whether a curve rises: the Mann-Kendall test, and the literal reading of "monotonically"."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SIGNIFICANCE = 0.05

DEFINITION = (
    "Monotone, literally: no epoch is below the one before it. Mann-Kendall: over all pairs of "
    "epochs, the later one is above (+1), below (-1) or equal (0); tau is Kendall's (tau-b) of "
    "value and epoch, 1 if every pair rises. A curve has a rising trend where the one-sided "
    f"p-value is below {SIGNIFICANCE:g}, one seed at a time. The test takes epochs as independent "
    "under its null hypothesis; those of a training are not, so its p-values are too small."
)


@dataclass(frozen=True, kw_only=True)
class Trend:
    """What is said of one curve."""

    tau: float
    """Kendall's tau-b of value and epoch: 1 if every pair of epochs rises, -1 if each falls."""

    p_value: float
    """One-sided, against no trend."""

    falls: int
    """Epochs that are below the one before."""

    steps: int
    """Epochs less one."""

    below_best: float
    """How far the last epoch is below the best."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Trend":
        """Test a curve of at least two values.

        Raises
        ------
        ValueError
            If there are fewer.
        """
        # Imported here: scipy.stats takes half a second, and a command's help needs no trend.
        from scipy.stats import kendalltau

        if len(values) < 2:
            raise ValueError(f"A trend needs at least 2 values, but got {len(values)}.")
        if len(set(values)) == 1:  # tau-b of a constant is 0 / 0
            return cls(tau=0.0, p_value=1.0, falls=0, steps=len(values) - 1, below_best=0.0)
        tau, p_value = kendalltau(range(len(values)), values, alternative="greater")
        return cls(
            tau=float(tau),
            p_value=float(p_value),
            falls=sum(late < early for early, late in pairwise(values)),
            steps=len(values) - 1,
            below_best=max(values) - values[-1],
        )

    @property
    def is_monotone(self) -> bool:
        return self.falls == 0

    @property
    def is_rising(self) -> bool:
        """By Mann-Kendall at `SIGNIFICANCE`."""
        return self.p_value < SIGNIFICANCE
