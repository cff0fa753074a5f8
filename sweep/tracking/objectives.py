"""What a search seeks, in the words of its flags and in the form that its run in MLflow keeps."""

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution

from sweep.errors import SweepError
from sweep.tracking import metrics

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A number of a finished trial that a search makes large or small."""

    name: str
    key: str
    """Of the number in MLflow."""

    direction: Direction
    unit: Literal["percent", "count", "seconds"]
    """Percent is kept as a share of 1."""

    epoch_key: str | None = None
    """Of the same number by epoch, if there is one: what a pruner compares."""

    reads_attributes: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.direction}, {self.unit})"


def _by_epoch(
    name: str, key: str, direction: Direction, unit: Literal["percent", "count"] = "percent"
) -> Objective:
    return Objective(
        name=name, key=metrics.final(key), direction=direction, unit=unit, epoch_key=key
    )


OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (
        _by_epoch("minival-accuracy", metrics.MINIVAL_ACCURACY, "maximize"),
        _by_epoch("tree-accuracy", metrics.MINIVAL_TREE_ACCURACY, "maximize"),
        _by_epoch("zero-share", metrics.ZERO_SHARE, "maximize"),
        _by_epoch("used-levels", metrics.USED_LEVELS, "minimize", "count"),
        _by_epoch("tree-leaves", metrics.TREE_LEAVES, "minimize", "count"),
        Objective(
            name="train-seconds",
            key=metrics.TRAIN_SECONDS,
            direction="minimize",
            unit="seconds",
        ),
        Objective(
            name="oracle-fidelity",
            key=metrics.final(metrics.FIDELITY_SCORE),
            direction="maximize",
            unit="percent",
            epoch_key=metrics.FIDELITY_SCORE,
            reads_attributes=True,
        ),
    )
}
"""By the flag's word. The share of zeros and the levels in use are those of the test images, which
are read without their labels; all else but oracle-fidelity is of minival."""

_COMPARISONS: Mapping[str, Callable[[float, float], float]] = {
    # Optuna's sense: a constraint holds where its number is at most 0.
    ">=": lambda value, bound: bound - value,
    "<=": operator.sub,
}
_CONSTRAINT = re.compile(r"(?P<name>[a-z-]+)\s*(?P<sign>>=|<=)\s*(?P<bound>[-+.\deE]+)")


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A bound on a number of a finished trial, such as "minival-accuracy >= 90"."""

    objective: Objective
    sign: str
    bound: float
    """In the objective's unit: percent of 100."""

    def violation(self, value: float) -> float:
        """How far a trial is beyond the bound, in the bound's unit; at most 0 where it holds."""
        scale = 100.0 if self.objective.unit == "percent" else 1.0
        return _COMPARISONS[self.sign](scale * value, self.bound)

    def __str__(self) -> str:
        return f"{self.objective.name} {self.sign} {self.bound:g}"


def parse_constraint(text: str) -> Constraint:
    """Read "NAME >= NUMBER" or "NAME <= NUMBER".

    Raises
    ------
    SweepError
        If it is none, or there is no such objective.

    Examples
    --------
    >>> round(parse_constraint("minival-accuracy>=90").violation(0.85), 9)
    5.0
    """
    match = _CONSTRAINT.fullmatch(text.strip())
    if match is None:
        raise SweepError(
            f"--constraint {text!r} must be a name, >= or <=, and a number, such as "
            "'minival-accuracy >= 90' (percent)."
        )
    name = match["name"]
    if name not in OBJECTIVES:
        raise SweepError(
            f"--constraint {text!r} names no objective. There are: {', '.join(OBJECTIVES)}."
        )
    return Constraint(objective=OBJECTIVES[name], sign=match["sign"], bound=float(match["bound"]))


def objectives_of(tag: str) -> Sequence[Objective]:
    """Of the tag that a search's run has: names with spaces between them."""
    return [OBJECTIVES[name] for name in tag.split()]


SPACE_FILE = "space.json"


def space_to_json(space: Mapping[str, BaseDistribution]) -> str:
    """Return the form that MLflow keeps as an artifact."""
    return json.dumps({key: json.loads(distribution_to_json(d)) for key, d in space.items()})


def space_from_json(text: str) -> dict[str, BaseDistribution]:
    """Read `space_to_json`'s form."""
    return {key: json_to_distribution(json.dumps(d)) for key, d in json.loads(text).items()}
