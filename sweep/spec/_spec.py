"""What a sweep is: a base config, what varies, the seeds, and the reference arms."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.backbones import pin_weights
from core.config import FIELD_NAMES, TrainConfig
from core.errors import ConfigError, did_you_mean
from sweep.spec._arms import arm_name
from sweep.tracking.plan import Arm, Plan, PlannedTrial

SEARCH_ARM = "search"
"""Arm of a trial whose config a searcher suggested."""


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One training run of a sweep."""

    arms: tuple[str, ...]
    """The points of the grid and the references that it serves, without the seed: one, or several
    that are the same run."""

    config: TrainConfig

    @property
    def arm(self) -> str:
        """The names of its arms, for people."""
        return " = ".join(self.arms)

    @property
    def hash(self) -> str:
        return self.config.hash


@dataclass(frozen=True, kw_only=True)
class SweepSpec:
    """A grid over some fields of TrainConfig, times seeds, plus named reference arms.

    Raises
    ------
    ConfigError
        If a key is no field of TrainConfig, a value is not legal, an axis is empty, or a value or
        a seed is given twice.
    DataError
        If a weights' file is missing: its hash is part of a trial's identity.

    Examples
    --------
    >>> spec = SweepSpec(name="p", title="t", base=TrainConfig(), seeds=(0, 1),
    ...                  axes={"mask_probability": (0.0, 0.5)})
    >>> len(spec.trials())
    4
    """

    name: str
    """Short name, the same in MLflow and in paths."""

    title: str
    """One line for a person."""

    base: TrainConfig
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Field name to values; trials are the product, in this order."""

    references: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Arm name to overrides of the base: the lines that a figure compares with."""

    seeds: Sequence[int] = (0,)

    def __post_init__(self) -> None:
        for key in (*self.axes, *(key for arm in self.references.values() for key in arm)):
            if key not in FIELD_NAMES:
                hint = did_you_mean(key, FIELD_NAMES)
                raise ConfigError(f"Sweep axis {key!r} is no field of TrainConfig.{hint}")
        for key, values in self.axes.items():
            if not values:
                raise ConfigError(f"Sweep axis {key!r} has no values: give it one or more.")
            if len(set(values)) < len(values):
                raise ConfigError(f"Sweep axis {key!r} repeats a value of {tuple(values)!r}.")
        if not self.seeds:
            raise ConfigError("A sweep needs at least one seed, but `seeds` is empty.")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"`seeds` repeats a seed of {tuple(self.seeds)!r}: give each once.")
        self.planned()  # refuses what is no config

    def arms(self) -> dict[str, Mapping[str, Any]]:
        """Overrides of the base by arm, references first."""
        arms = dict(self.references)
        for values in itertools.product(*self.axes.values()):
            overrides = dict(zip(self.axes, values, strict=True))
            if overrides:
                arms[arm_name(overrides)] = overrides
        return arms

    def planned(self) -> list[tuple[str, TrainConfig]]:
        """Every arm at every seed, with its config; references first within a seed.

        Configs of one hash are one run, which is trained once and shown under each of its arms.
        """
        return [
            (arm, self._config(overrides, seed))
            for seed in self.seeds
            for arm, overrides in self.arms().items()
        ]

    def plan(self) -> Plan:
        """What MLflow keeps of the spec, for reports."""
        return Plan(
            name=self.name,
            title=self.title,
            base=self.base.to_dict(),
            arms=[Arm(name=name, overrides=changed) for name, changed in self.arms().items()],
            seeds=list(self.seeds),
            trials=[
                PlannedTrial(arm=arm, seed=config.seed, config_hash=config.hash)
                for arm, config in self.planned()
            ],
        )

    def trials(self) -> list[TrialSpec]:
        """All runs, in the order of `planned`, so that the first table already has references."""
        arms: dict[str, list[str]] = {}
        configs: dict[str, TrainConfig] = {}
        for arm, config in self.planned():
            arms.setdefault(config.hash, []).append(arm)
            configs.setdefault(config.hash, config)
        return [TrialSpec(arms=tuple(arms[h]), config=config) for h, config in configs.items()]

    def _config(self, overrides: Mapping[str, Any], seed: int) -> TrainConfig:
        # The base's hash is that of the base's file.
        unpinned = {"weights_sha256": None} if "weights" in overrides else {}
        return pin_weights(self.base.replace({**unpinned, **overrides, "seed": seed}))

    def sweep_id(self, dataset_fingerprint: str) -> str:
        """Identity of the sweep: name, data, and the fixed part of the config.

        Axis values and seeds are left out, so that the same sweep with one seed more finds all
        that is finished and runs only the rest. So are fields with their defaults: one that is
        added to TrainConfig leaves a sweep where it is.
        """
        fixed = {
            key: value
            for key, value in self.base.identity().items()
            if key not in self.axes and key != "seed"
        }
        return sweep_identity(self.name, fixed, dataset_fingerprint)


def sweep_identity(name: str, fixed: Mapping[str, Any], dataset_fingerprint: str) -> str:
    """Twelve hex digits over what stays the same through a sweep."""
    canonical = json.dumps([name, dataset_fingerprint, dict(fixed)], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
