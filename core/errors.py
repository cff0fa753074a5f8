"""Errors a user can mend. Each message states the rule, the value and the remedy."""

import difflib
from collections.abc import Iterable


class CoreError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(CoreError, ValueError):
    """A setting outside its legal range, or one that does not exist."""


class DataError(CoreError, ValueError):
    """Data that is missing, malformed or of the wrong shape."""


class NonFiniteLossError(CoreError, ArithmeticError):
    """A training loss that is NaN or infinite."""


def did_you_mean(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return " Did you mean 'x'?" for the closest known name, or an empty string.

    Parameters
    ----------
    name
        What was given.
    known
        What could have been given.
    prefix
        Stands before the known name in the question, and takes no part in the comparison.

    Examples
    --------
    >>> did_you_mean("digts", ["cub", "digits"])
    " Did you mean 'digits'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {prefix + close[0]!r}?" if close else ""
