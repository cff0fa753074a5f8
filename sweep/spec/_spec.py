"""A sweep's trials, its plan, and its identity."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.config import OPTION_NAMES, TrainConfig, option_default
from core.errors import ConfigError
from sweep.spec._arms import Overrides
from sweep.tracking.plan import Arm, Plan, PlannedTrial
from sweep.tracking.trials import TrialSpec


@dataclass(frozen=True, kw_only=True)
class SweepSpec:
    """Arms over a base config, times seeds.

    Raises
    ------
    ConfigError
        If there are no arms or seeds, a seed is given twice, an arm changes what is no field of
        TrainConfig, or a value is not legal.
    DataError
        If a weights' file is missing: its hash is part of a trial's identity.

    Examples
    --------
    >>> spec = SweepSpec(name="p", title="t", base=TrainConfig(), seeds=(0, 1),
    ...                  arms=one_at_a_time(mask_probability=(0.3, 0.5)))
    >>> len(spec.trials())
    6
    """

    name: str
    """Short name, the same in MLflow and in paths."""

    title: str
    """One line for a person."""

    base: TrainConfig
    arms: Mapping[str, Overrides]
    """Name to what the arm changes of the base, in the order of tables: what others are compared
    with comes first. `grid`, `cross`, `one_at_a_time` and `datasets` make them."""

    seeds: Sequence[int] = (0,)

    def __post_init__(self) -> None:
        if not self.arms:
            raise ConfigError("A sweep needs at least one arm, but `arms` is empty.")
        for name, overrides in self.arms.items():
            if "seed" in overrides:
                raise ConfigError(f"Arm {name!r} sets `seed`: give the sweep `seeds` instead.")
        if not self.seeds:
            raise ConfigError("A sweep needs at least one seed, but `seeds` is empty.")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"`seeds` repeats a seed of {tuple(self.seeds)!r}: give each once.")
        self.planned()  # refuses what is no config

    def planned(self) -> list[tuple[str, TrainConfig]]:
        """Every arm at every seed, with its config; in the order of the arms within a seed.

        Configs of one hash are one run, which is trained once and shown under each of its arms.
        """
        return [
            (arm, self._config(arm, overrides, seed))
            for seed in self.seeds
            for arm, overrides in self.arms.items()
        ]

    def plan(self, fingerprints: Mapping[str, str] | None = None) -> Plan:
        """What MLflow keeps of the spec, for reports.

        Parameters
        ----------
        fingerprints
            Of the data by config hash, where they are known.
        """
        known = fingerprints or {}
        changed = {key for overrides in self.arms.values() for key in overrides}
        options = {name: option_default(name) for name in OPTION_NAMES if name in changed}
        return Plan(
            name=self.name,
            title=self.title,
            base={**options, **self.base.to_dict()},
            arms=tuple(Arm(name=name, overrides=its) for name, its in self.arms.items()),
            seeds=tuple(self.seeds),
            trials=tuple(
                PlannedTrial(
                    arm=arm,
                    seed=config.seed,
                    config_hash=config.hash,
                    dataset_fingerprint=known.get(config.hash),
                )
                for arm, config in self.planned()
            ),
        )

    def trials(self) -> list[TrialSpec]:
        """All runs, in the order of `planned`, so that the first table already has references."""
        arms: dict[str, list[str]] = {}
        configs: dict[str, TrainConfig] = {}
        for arm, config in self.planned():
            arms.setdefault(config.hash, []).append(arm)
            configs.setdefault(config.hash, config)
        return [TrialSpec(arms=tuple(arms[h]), config=config) for h, config in configs.items()]

    @property
    def has_fixed_dataset(self) -> bool:
        """Whether the base has a say in which data is trained on: not every arm sets `dataset`."""
        return "dataset" not in self._set_by_every_arm()

    def sweep_id(self, dataset_fingerprint: str | None) -> str:
        """Identity of the sweep: name, and the fixed part of config and data.

        What every arm sets is not the base's to say and is left out, and so are seeds and the arms'
        own values: the same sweep with one seed or one arm more finds all that is finished and runs
        only the rest. So are fields with their defaults: one that is added to TrainConfig leaves a
        sweep where it is.

        Parameters
        ----------
        dataset_fingerprint
            Of the base's data; None where it has no say, by `has_fixed_dataset`.
        """
        moot = {"seed", *self._set_by_every_arm()}
        fixed = {key: value for key, value in self.base.identity().items() if key not in moot}
        return sweep_identity(self.name, fixed, dataset_fingerprint)

    def _set_by_every_arm(self) -> set[str]:
        return set.intersection(*(set(overrides) for overrides in self.arms.values()))

    def _config(self, arm: str, overrides: Overrides, seed: int) -> TrainConfig:
        # The base's hash is that of the base's file.
        unpinned = {"weights_sha256": None} if "weights" in overrides else {}
        # Imported here, with torch: a command's help needs no weights.
        from core.backbones import pin_weights

        try:
            return pin_weights(self.base.replace({**unpinned, **overrides, "seed": seed}))
        except ConfigError as error:
            raise ConfigError(f"Arm {arm!r}: {error}") from error


def sweep_identity(name: str, fixed: Mapping[str, Any], dataset_fingerprint: str | None) -> str:
    """Twelve hex digits over what stays the same through a sweep."""
    canonical = json.dumps([name, dataset_fingerprint, dict(fixed)], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
