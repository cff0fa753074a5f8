"""What a tree is grown with, checked once."""

import math
from dataclasses import dataclass

from core.errors import ConfigError
from core.tree._gain import Criterion

MAX_LEVELS = 256


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The parameters of `fit_tree` that are no data."""

    num_levels: int
    max_depth: int
    criterion: Criterion
    min_gain: float

    @classmethod
    def of(
        cls, *, num_levels: int, max_depth: int, criterion: Criterion | str, min_gain: float
    ) -> "Settings":
        """Check each of them.

        Raises
        ------
        ConfigError
            For one outside its range.
        """
        try:
            criterion = Criterion(criterion)
        except ValueError:
            choices = [member.value for member in Criterion]
            raise ConfigError(
                f"`criterion` must be one of {choices}, but got {criterion!r}."
            ) from None
        if not 1 <= num_levels <= MAX_LEVELS:
            raise ConfigError(f"`num_levels` must lie in [1, {MAX_LEVELS}], but got {num_levels}.")
        if max_depth < 0:
            raise ConfigError(f"`max_depth` must be 0 or more, but got {max_depth}.")
        if not (min_gain >= 0 and math.isfinite(min_gain)):
            raise ConfigError(f"`min_gain` must be finite and not negative, but got {min_gain}.")
        return cls(
            num_levels=int(num_levels),
            max_depth=int(max_depth),
            criterion=criterion,
            min_gain=float(min_gain),
        )
