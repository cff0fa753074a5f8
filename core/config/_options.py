"""Methods' options by their dotted names: what may be written, and its one form in a config."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from core.config.options import OPTIONS
from core.errors import ConfigError, did_you_mean

OPTION_TYPES: Mapping[str, Any] = {
    f"{method}.{field.name}": field.type
    for method, options in OPTIONS.items()
    for field in dataclasses.fields(options)
}
OPTION_NAMES: tuple[str, ...] = tuple(OPTION_TYPES)
"""All methods' options, as they are written: ``method.field``."""


def checked_options(given: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Options in their one form: legal, sorted, and without those that have their defaults.

    Raises
    ------
    ConfigError
        If a name is no option, or a value is not legal.
    """
    for name in given:
        if name not in OPTION_NAMES:
            raise ConfigError(
                f"{name!r} is no option of a method.{did_you_mean(name, OPTION_NAMES)}"
            )
    kept: dict[str, Any] = {}
    for method, options in OPTIONS.items():
        own = of_method(method, given)
        if own:
            made, defaults = options(**own), options()
            kept |= {
                f"{method}.{key}": value
                for key in own
                if (value := getattr(made, key)) != getattr(defaults, key)
            }
    return tuple(sorted(kept.items()))


def option_default(name: str) -> Any:
    """The default of an option by its dotted name, as JSON holds it."""
    method, _, field = name.partition(".")
    return plain(getattr(OPTIONS[method](), field))


def of_method(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of one method, without its name before theirs."""
    parts = ((name.partition("."), value) for name, value in given.items())
    return {field: value for (owner, _, field), value in parts if owner == method}


def plain(value: Any) -> Any:
    """A value as JSON holds it."""
    return list(value) if isinstance(value, tuple) else value
