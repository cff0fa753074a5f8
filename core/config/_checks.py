"""Types and choices of a config's fields, checked from their annotations."""

import dataclasses
import math
from collections.abc import Container
from typing import Any, Literal, get_args, get_origin

from core.errors import ConfigError


def require(holds: bool, rule: str, value: object) -> None:
    """Raise ConfigError with the rule and the value where the rule does not hold."""
    if not holds:
        raise ConfigError(f"{rule}, but got {value!r}.")


def check_types_and_choices(config: Any, *, prefix: str = "", skip: Container[str] = ()) -> None:
    """Check every field of a frozen dataclass, and bring equal values to one form.

    Parameters
    ----------
    config
        The instance, from its `__post_init__`.
    prefix
        Written before a field's name in messages.
    skip
        Fields that are checked elsewhere.

    Raises
    ------
    ConfigError
        If a value is not of its field's type or none of its choices.
    """
    for field in dataclasses.fields(config):
        if field.name in skip:
            continue
        value = getattr(config, field.name)
        name = f"`{prefix}{field.name}`"
        if get_origin(field.type) is Literal:
            choices = get_args(field.type)
            require(
                value in choices, f"{name} must be one of {', '.join(map(repr, choices))}", value
            )
        elif field.type is float:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            require(is_number and math.isfinite(value), f"{name} must be a finite number", value)
            # 1 and 1.0 are one setting, so they must have one hash.
            object.__setattr__(config, field.name, float(value))
        elif field.type is bool:
            require(isinstance(value, bool), f"{name} must be true or false", value)
        elif field.type is str:
            require(isinstance(value, str), f"{name} must be a string", value)
        elif field.type == str | None:
            require(
                value is None or isinstance(value, str), f"{name} must be a string or None", value
            )
        elif field.type in (int, int | None):
            accepted = _is_integer(value) or (value is None and field.type is not int)
            require(accepted, f"{name} must be an integer", value)
        elif field.type == tuple[int, ...]:
            # JSON and command lines have lists.
            accepted = isinstance(value, list | tuple) and all(map(_is_integer, value))
            require(accepted, f"{name} must be a list of integers", value)
            object.__setattr__(config, field.name, tuple(value))
        else:
            raise TypeError(f"{name} has a type that is not checked here: {field.type!r}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
