"""The options of a config, known to be those of a method."""

from typing import TypeVar

from core.config import TrainConfig
from core.config.options import MethodOptions

Options = TypeVar("Options", bound=MethodOptions)


def options_of(config: TrainConfig, kind: type[Options]) -> Options:
    """A config's method options, typed.

    Raises
    ------
    TypeError
        If the config is another method's.
    """
    options = config.method_options
    if not isinstance(options, kind):
        raise TypeError(f"These are options of {options.method!r}.")
    return options
