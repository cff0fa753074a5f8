"""Which range of values a panel shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sweep.report._report import Level, Panel, Scale

MARGIN = 0.08
"""Of the height: room beyond what is shown, and what a line of words takes."""

_BEYOND = 0.25  # of the height, which intervals and bands may take beyond the means and seeds

_MOST = 1.5  # of the height, to which a level that may lie outside may stretch it


@dataclass(frozen=True, kw_only=True)
class Frame:
    """From the foot to the head of a panel, in its own values."""

    low: float
    high: float
    scale: Scale = "linear"

    @classmethod
    def of(cls, panel: Panel) -> "Frame":
        """Room for every seed, for intervals a little beyond, and for levels that must be seen.

        A level that may lie outside is taken in where that costs less than a third of the height.
        """
        points = [point for series in panel.series for point in series.points]
        values = [value for point in points for value in (point.y, *point.seeds)]
        for level in panel.levels:
            if not level.may_lie_outside:
                values += [v for v in (level.y, level.low, level.high) if v is not None]
        if panel.y_scale == "log":
            room = max(math.log(max(values) / min(values)), 0.1)
            return cls(
                low=min(values) * math.exp(-MARGIN * room),
                high=max(values) * math.exp(MARGIN * room),
                scale="log",
            )
        low, high = min(values), max(values)
        room = (high - low) or 0.02
        ends = [end for point in points for end in (*(point.interval or ()), *(point.band or ()))]
        low = max(min([low, *ends]), low - _BEYOND * room)
        high = min(max([high, *ends]), high + _BEYOND * room)
        most = _MOST * (high - low)
        for level in panel.levels:
            if level.may_lie_outside and max(high, level.y) - min(low, level.y) < most:
                low, high = min(low, level.y), max(high, level.y)
        if panel.unit == "share":
            # A difference of shares may be below 0.
            low, high = max(low, min(0.0, *values)), min(high, 1.0)
        margin = MARGIN * ((high - low) or room)
        return cls(low=low - margin, high=high + margin)

    @classmethod
    def around(cls, frames: Sequence["Frame"]) -> "Frame":
        """One that holds them all."""
        return cls(
            low=min(frame.low for frame in frames),
            high=max(frame.high for frame in frames),
            scale=frames[0].scale,
        )

    def holds(self, level: Level) -> bool:
        return self.low <= level.y <= self.high

    def with_lines(self, below: int, above: int) -> "Frame":
        """Make room for lines of words at foot and head, which must not lie on the data."""
        if self.scale == "log":
            room = MARGIN * math.log(self.high / self.low)
            low, high = math.exp(-below * room), math.exp(above * room)
            return Frame(low=self.low * low, high=self.high * high, scale="log")
        room = MARGIN * (self.high - self.low)
        return Frame(low=self.low - below * room, high=self.high + above * room)

    def share(self, y: float) -> float:
        """Where a value lies: 0 at the foot, 1 at the head."""
        if self.scale == "log":
            return math.log(y / self.low) / math.log(self.high / self.low)
        return (y - self.low) / (self.high - self.low)
