"""Errors that end a command with one clear line."""

EXIT_LOST = 1
"""Exit code of a command whose cluster went away."""


class SweepError(Exception):
    """Something the user can mend. The command line prints it without a traceback."""


class ClusterLostError(SweepError):
    """The Ray cluster went away in the middle of a sweep, which can go on later."""
