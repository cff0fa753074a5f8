"""Which data the trials of a sweep train on: where it lies, and its fingerprints."""

import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.config import ImageOptions, TrainConfig
from core.data import (
    BUNDLED_DATASETS,
    PACKED_DATASETS,
    Dataset,
    check_dataset,
    dataset_name,
    load_dataset,
)
from core.data.naming import is_name
from core.errors import ConfigError, DataError
from sweep.errors import SweepError

DataKey = tuple[str, ImageOptions, int]
"""What of a config decides which data it is: dataset, images, split seed."""


def data_key(config: TrainConfig) -> DataKey:
    """The part of a config that decides which data a trial trains on."""
    return (config.dataset, config.image_options, config.split_seed)


@dataclass(frozen=True, kw_only=True)
class DataPlaces:
    """Where packed datasets lie, the same on all nodes, and how many processes decode them."""

    paths: Mapping[str, str] = field(default_factory=dict)
    """Folder or URI by the dataset's name."""

    loader_workers: int = 0
    """Processes that decode images, of each worker of a trial and beside its CPUs."""

    def lacking(self, configs: Iterable[TrainConfig]) -> list[str]:
        """Packed datasets of some configs that no place is given for."""
        names = dict.fromkeys(config.dataset for config in configs)
        return [name for name in names if name in PACKED_DATASETS and name not in self.paths]

    def check(self, configs: Iterable[TrainConfig], *, lacking: Collection[str] = ()) -> None:
        """Refuse what can be refused before any data is read.

        Parameters
        ----------
        configs
            Of all trials.
        lacking
            Datasets that need no place yet.

        Raises
        ------
        ConfigError
            If a dataset lacks its place, or one has a place or sizes that it does not take.
        SweepError
            If a place is given for a dataset that no trial trains on, or workers for none.
        """
        keys = dict.fromkeys(data_key(config) for config in configs)
        for name, images, _ in keys:
            check_dataset(
                name,
                data=self.paths.get(name, "" if name in lacking else None),
                images=images,
                loader_workers=self._loader_workers(name),
            )
        names = list(dict.fromkeys(name for name, _, _ in keys))
        for name in self.paths:
            if name not in names:
                raise SweepError(
                    f"--data says where {name!r} lies, but the sweep trains on "
                    f"{', '.join(names)} alone: leave it out, or give that one's place."
                )
        if self.loader_workers and set(names) <= set(BUNDLED_DATASETS):
            raise SweepError(
                f"--loader-workers {self.loader_workers} decode packed datasets, but the sweep "
                f"trains on {', '.join(names)}, which is held in memory: leave it out."
            )

    def load(self, config: TrainConfig) -> Dataset:
        """The data of a config; trials that reuse a process share it.

        Raises
        ------
        ConfigError, DataError
            As `core.data.load_dataset`.
        """
        name, images, split_seed = data_key(config)
        return _load(name, self.paths.get(name), images, split_seed, self._loader_workers(name))

    def _loader_workers(self, name: str) -> int:
        return 0 if name in BUNDLED_DATASETS else self.loader_workers


class Fingerprints:
    """Which data each config trains on; data that was not asked for yet is loaded to see."""

    def __init__(self, places: DataPlaces) -> None:
        self._places = places
        self._known: dict[DataKey, str] = {}

    def of(self, config: TrainConfig) -> str:
        """SHA-256 over the data, in hexadecimal digits.

        Raises
        ------
        ConfigError, DataError
            If the data cannot be loaded.
        """
        key = data_key(config)
        if key not in self._known:
            self._known[key] = self._places.load(config).fingerprint
        return self._known[key]

    @property
    def known(self) -> dict[DataKey, str]:
        return dict(self._known)


def check_same_data(config: TrainConfig, dataset: Dataset, expected: str | None) -> None:
    """Refuse to train on other data than the driver saw under the same name and place.

    Raises
    ------
    DataError
    """
    if expected is not None and dataset.fingerprint != expected:
        raise DataError(
            f"This node's {config.dataset!r} has fingerprint {dataset.fingerprint[:12]}, but the "
            f"sweep was started on {expected[:12]}: give all nodes the same data."
        )


@functools.lru_cache(maxsize=2)
def _load(
    name: str, path: str | None, images: ImageOptions, split_seed: int, loader_workers: int
) -> Dataset:
    return load_dataset(
        name, data=path, images=images, split_seed=split_seed, loader_workers=loader_workers
    )


def split_place(text: str) -> tuple[str | None, str]:
    """NAME and PATH of NAME=PATH; None and all of it for a path, which may hold a "=" itself."""
    name, sign, path = text.partition("=")
    if sign and is_name(name) and not Path(text).exists():
        return name, path
    return None, text


def parse_places(given: Iterable[str], dataset: str | None) -> dict[str, str]:
    """Read what --data was given: NAME=PATH, or a PATH that may hold a "=" itself.

    Parameters
    ----------
    given
        As it was written.
    dataset
        What a bare PATH holds; None where its manifest is to say.

    Raises
    ------
    ConfigError
        If one dataset is given two places.
    DataError
        If a manifest is to be read and there is none.
    """
    paths: dict[str, str] = {}
    for text in given:
        own_name, path = split_place(text)
        name = own_name or dataset_name(dataset, path)
        if name in paths:
            raise ConfigError(
                f"--data gives {name!r} two places, {paths[name]!r} and {path!r}: give one."
            )
        paths[name] = path
    return paths
