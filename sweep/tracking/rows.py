"""What a trial tells the driver, and how it passes through Tune, Train and a checkpoint.

Kept free of MLflow, because trial processes import it and need no MLflow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_EPOCH, _TIMESTAMP = "epoch", "timestamp_ms"


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch's numbers."""

    epoch: int
    """Counted from 0; MLflow's step."""

    timestamp_ms: int
    """When the epoch ended. Kept with the row, so that sending it twice writes one point."""

    values: Mapping[str, float]
    """By the keys of `sweep.tracking.metrics`; what a method or data set lacks is absent."""

    def to_plain(self) -> dict[str, float]:
        """The flat form that a checkpoint holds and that Tune passes on."""
        return {_EPOCH: self.epoch, _TIMESTAMP: self.timestamp_ms, **self.values}

    @classmethod
    def from_plain(cls, plain: Mapping[str, float]) -> "EpochRow":
        """Read `to_plain`'s form."""
        values = {key: value for key, value in plain.items() if key not in (_EPOCH, _TIMESTAMP)}
        return cls(epoch=int(plain[_EPOCH]), timestamp_ms=int(plain[_TIMESTAMP]), values=values)


@dataclass(frozen=True, kw_only=True)
class TrialReport:
    """What became new since the trial's last report."""

    rows: Sequence[EpochRow]
    """One a finished epoch, oldest first. After a resume, the earlier epochs once more."""

    done: bool
    final: Mapping[str, float]
    """Metrics of the reported epoch by their final keys, once done; before that, none."""

    notes: Sequence[str] = ()
    """What a person should know of the trial, in sentences."""

    def to_result(self) -> dict[str, Any]:
        """The form that Tune and Train pass on."""
        return {
            "rows": [row.to_plain() for row in self.rows],
            "final": dict(self.final),
            "trial_done": self.done,
            "notes": list(self.notes),
        }

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> "TrialReport | None":
        """Read `to_result`'s form from what Tune hands on; None if the trial did not send it.

        Tune repeats a function trainable's last result without its values.
        """
        if "rows" not in result:
            return None
        return cls(
            rows=[EpochRow.from_plain(row) for row in result["rows"]],
            done=result["trial_done"],
            final=result["final"],
            notes=result["notes"],
        )
