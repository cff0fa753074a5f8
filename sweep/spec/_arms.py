"""Arms of a sweep: name to overrides of the base, made from values and put together with `|`."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from core.config import TrainConfig
from core.data import DATASETS, dataset_preset
from core.errors import ConfigError, did_you_mean

Overrides = Mapping[str, Any]
Axes = Mapping[str, Sequence[Any]]
"""Field name to the values that it takes."""

BASE_ARM = "base"
"""The arm of `one_at_a_time` that changes nothing."""


class Arms(dict[str, Overrides]):
    """A dict of arms whose `|` refuses a name given twice, where a plain one takes the last.

    Raises
    ------
    ConfigError
        If both sides of `|` hold an arm of the same name.

    Examples
    --------
    >>> list({"plain": {"tree_weight": 0.0}} | grid(num_bits=(2, 4)))
    ['plain', 'num_bits=2', 'num_bits=4']
    """

    def __or__(self, other: Mapping[str, Overrides]) -> "Arms":  # type: ignore[override]
        return _union(self, other)

    def __ror__(self, other: Mapping[str, Overrides]) -> "Arms":  # type: ignore[override]
        return _union(other, self)


def grid(axes: Axes | None = None, /, **fields: Sequence[Any]) -> Arms:
    """Return one arm for each point of the product; the last axis turns fastest.

    Raises
    ------
    ConfigError
        If an axis is empty, repeats a value, or is given twice.

    Examples
    --------
    >>> list(grid(sparsity_norm=("l1", "l2"), num_bits=(2,)))
    ['sparsity_norm=l1 num_bits=2', 'sparsity_norm=l2 num_bits=2']
    """
    checked = _checked(axes or {}, fields)
    points = itertools.product(*checked.values())
    overrides = [dict(zip(checked, point, strict=True)) for point in points]
    return Arms({arm_name(point): point for point in overrides if point})


def cross(
    arms: Mapping[str, Overrides],
    others: Axes | Mapping[str, Overrides] | None = None,
    /,
    **fields: Sequence[Any],
) -> Arms:
    """Return every arm at every point of some axes, or together with every arm of another kind.

    Parameters
    ----------
    arms
        What is compared, such as methods.
    others
        Field name to values; or arms of another kind, such as data sets with their presets.
    **fields
        Axes as keywords.

    Raises
    ------
    ConfigError
        As `grid`; and if both kinds set the same field.

    Examples
    --------
    >>> list(cross({"ours": {}, "quantized": {"tree_weight": 0.0}}, num_bits=(2, 4)))
    ['ours num_bits=2', 'ours num_bits=4', 'quantized num_bits=2', 'quantized num_bits=4']
    """
    given = others or {}
    kinds = {key: value for key, value in given.items() if isinstance(value, Mapping)}
    axes = {key: value for key, value in given.items() if not isinstance(value, Mapping)}
    if kinds and (axes or fields):
        raise ConfigError(
            f"Axes {(*axes, *fields)!r} stand among the arms {tuple(kinds)!r}: cross with the one, "
            "then with the other."
        )
    crossed = Arms()
    for (first, its), (second, more) in itertools.product(
        arms.items(), (kinds or grid(axes, **fields)).items()
    ):
        twice = sorted(its.keys() & more.keys())
        if twice:
            raise ConfigError(
                f"Arms {first!r} and {second!r} both set {twice[0]!r}: leave it to one of them."
            )
        crossed |= {f"{first} {second}": {**its, **more}}
    return crossed


def one_at_a_time(axes: Axes | None = None, /, **fields: Sequence[Any]) -> Arms:
    """Return the base, and each field over its values while the others stay as in the base.

    Raises
    ------
    ConfigError
        As `grid`.

    Examples
    --------
    >>> list(one_at_a_time(tree_weight=(0.5, 2.0), num_bits=(2,)))
    ['base', 'tree_weight=0.5', 'tree_weight=2.0', 'num_bits=2']
    """
    arms = Arms({BASE_ARM: {}})
    for field, values in _checked(axes or {}, fields).items():
        arms |= grid({field: values})
    return arms


def datasets(
    base: TrainConfig, names: Sequence[str], places: Mapping[str, str] | None = None
) -> Arms:
    """Return an arm for each data set, with its own preset.

    Fields that `base` changes of its own data set's preset, by a sweep's settings or by `--set`,
    stay as they are for all; any other field is the preset's of each.

    Parameters
    ----------
    base
        The sweep's base config.
    names
        Of `core.data.DATASETS`, or of packed ones of one's own that have a place.
    places
        Where packed ones lie, by name.

    Raises
    ------
    ConfigError
        If a name is unknown or given twice.
    DataError
        If a place is to be read and holds no packed dataset of its name.

    Examples
    --------
    >>> base = preset_config("digits").replace({"num_epochs": 3})
    >>> arms = datasets(base, ("digits", "field_guide"))
    >>> arms["field_guide"]["feature_dim"], "num_epochs" in arms["field_guide"]
    (128, False)
    """
    known_places = places or {}
    for name in names:
        if name not in DATASETS and name not in known_places:
            raise ConfigError(f"{name!r} is no dataset.{did_you_mean(name, DATASETS)}")
        if list(names).count(name) > 1:
            raise ConfigError(f"Dataset {name!r} is given twice: name each once.")

    def preset(name: str) -> dict[str, Any]:
        chosen = {"dataset": name, **dataset_preset(name, known_places.get(name))}
        return TrainConfig().replace(chosen).to_dict()

    values, own = base.to_dict(), preset(base.dataset)
    open_fields = [key for key in values if values[key] == own[key] and key != "dataset"]
    presets = {name: preset(name) for name in names}
    differing = [key for key in open_fields if any(p[key] != values[key] for p in presets.values())]
    return Arms(
        {
            name: {"dataset": name, **{key: preset[key] for key in differing}}
            for name, preset in presets.items()
        }
    )


def arm_name(overrides: Overrides) -> str:
    """Values in words, such as "mask_probability=0.3 sparsity_norm=l1"."""
    return " ".join(f"{key}={value}" for key, value in overrides.items())


def _checked(axes: Axes, fields: Axes) -> dict[str, Sequence[Any]]:
    for field in axes.keys() & fields.keys():
        raise ConfigError(f"Axis {field!r} is given twice: give all of its values at once.")
    checked = {**axes, **fields}
    for field, values in checked.items():
        if not len(values):
            raise ConfigError(f"Axis {field!r} has no values: give it one or more.")
        if len(set(values)) < len(values):
            raise ConfigError(
                f"Axis {field!r} repeats a value of {tuple(values)!r}: give each once."
            )
    return checked


def _union(first: Mapping[str, Overrides], second: Mapping[str, Overrides]) -> Arms:
    for name in first:
        if name in second:
            raise ConfigError(f"Arm {name!r} is given twice: name one of the two otherwise.")
    return Arms({**first, **second})
