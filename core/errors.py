"""Errors a user can mend. Each message states the rule, the value and the remedy."""


class CoreError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(CoreError, ValueError):
    """A setting outside its legal range, or one that does not exist."""


class DataError(CoreError, ValueError):
    """Data that is missing, malformed or of the wrong shape."""


class NonFiniteLossError(CoreError, ArithmeticError):
    """A training loss that is NaN or infinite."""
