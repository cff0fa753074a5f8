"""What a sweep set out to run, in the form that its run in MLflow keeps.

A report is made from this and from the finished runs alone: it needs neither the sweep's file nor
the machine that ran it. An arm is known by its values: its name is for people.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One setting that a sweep compares with others, over all its seeds."""

    name: str
    overrides: Mapping[str, Any]
    """Fields of TrainConfig, and what it changes of the sweep's base."""


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """One arm at one seed. Arms that come to the same run share its hash, and so the run."""

    arm: str
    """Name of the arm."""

    seed: int
    config_hash: str
    dataset_fingerprint: str | None = None
    """Of the data that it trains on: a finished run on other data is another trial."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Arms, seeds and trials of a sweep."""

    name: str
    """The sweep's short name, such as "ablation_p"."""

    title: str
    """One line for a person."""

    base: Mapping[str, Any]
    """Every field of the sweep's base config, as plain values."""

    arms: Sequence[Arm]
    """In the order in which tables show them."""

    seeds: Sequence[int]
    trials: Sequence[PlannedTrial]
    """Every arm at every seed."""

    def to_json(self) -> str:
        """The form that MLflow keeps as an artifact."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read `to_json`'s form."""
        values = json.loads(text)
        return cls(
            **{
                **values,
                "arms": tuple(Arm(**arm) for arm in values["arms"]),
                "seeds": tuple(values["seeds"]),
                "trials": tuple(PlannedTrial(**trial) for trial in values["trials"]),
            }
        )
