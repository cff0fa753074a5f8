"""A question with a yes or a no about one feature's level, and how clearly an image answers it.

Shape letter: N samples.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from core.extractor import AttributeMatch


@dataclass(frozen=True, kw_only=True)
class Stump:
    """Fires where a feature's level lies in a range, or, without polarity, where it does not.

    An entry of b(v) (section 5) is one whose range is a single level; a node of the tree is one
    whose range goes from a threshold to the last level.

    Raises
    ------
    ConfigError
        If the range is no range of levels, or the feature is negative.

    Examples
    --------
    >>> stump = Stump(feature=0, lowest=2, highest=2)
    >>> stump.holds(np.array([1, 2, 3], dtype=np.uint8)).tolist()
    [False, True, False]
    """

    feature: int
    """i, counted from 0."""

    lowest: int
    highest: int
    """Both ends belong to the range."""

    polarity: bool = True
    """Whether it fires inside the range, or outside."""

    def __post_init__(self) -> None:
        if self.feature < 0 or not 0 <= self.lowest <= self.highest:
            raise ConfigError(
                "A stump takes a feature from 0 on and a range of levels from 0 on, but got "
                f"feature {self.feature} and levels {self.lowest} to {self.highest}."
            )

    @classmethod
    def of(cls, match: AttributeMatch) -> "Stump":
        """The entry of b(v) that matches an attribute."""
        return cls(
            feature=match.feature,
            lowest=match.level,
            highest=match.level,
            polarity=match.polarity,
        )

    def holds(self, level_N: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """(N,) Whether it fires, for the feature's levels."""
        inside_N = (level_N >= self.lowest) & (level_N <= self.highest)
        return np.asarray(inside_N == self.polarity)

    def ranking(
        self,
        level_N: npt.NDArray[np.uint8],
        feature_N: npt.NDArray[np.floating],
        *,
        num_levels: int,
    ) -> npt.NDArray[np.int64]:
        """(N,) All rows, from where it fires most clearly to where it is furthest from firing.

        By level first: how many levels deep it lies in the range, or how many away from it. Then by
        margin: the distance of the unquantized feature from the nearest image on the other side of
        the range's end. What is still equal stays in the order of rows.

        Parameters
        ----------
        level_N, feature_N
            Of this stump's feature: its level, and the number that was quantized.
        num_levels
            L. The first level has nothing below it, and the last nothing above.
        """
        sign = 1.0 if self.polarity else -1.0
        below_N, above_N = level_N < self.lowest, level_N > self.highest
        steps_N = np.full(len(level_N), np.inf)
        margin_N = np.full(len(level_N), np.inf)
        if self.lowest > 0:
            edge = feature_N[below_N].max(initial=-np.inf)
            steps_N = np.minimum(steps_N, level_N.astype(float) - self.lowest)
            margin_N = np.minimum(margin_N, feature_N - edge)
        if self.highest < num_levels - 1:
            edge = feature_N[above_N].min(initial=np.inf)
            steps_N = np.minimum(steps_N, self.highest - level_N.astype(float))
            margin_N = np.minimum(margin_N, edge - feature_N)
        # The last key counts most, and equal rows keep their order.
        return np.lexsort((-sign * margin_N, -sign * steps_N))
