"""Errors that end a command with one clear line."""


class SweepError(Exception):
    """Something the user can mend. The command line prints it without a traceback."""
