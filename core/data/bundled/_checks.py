"""Checks that the settings of drawn data sets share."""

import numbers

from core.errors import ConfigError


def checked_int(name: str, value: object, low: int, high: int) -> int:
    """Return the value as an int.

    Raises
    ------
    ConfigError
        If it is no integer, or lies outside [low, high].
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"`{name}` must be an integer, but got {value!r}.")
    if not low <= int(value) <= high:
        raise ConfigError(f"`{name}` must lie in [{low}, {high}], but got {value}.")
    return int(value)
