"""The command that a process was started with, as a person would give it again."""

import re
import shlex
import sys
from collections.abc import Sequence

_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


def command_line(arguments: Sequence[str] | None = None) -> str:
    """Return program and arguments in one line, without logins: others may read it.

    Examples
    --------
    >>> command_line(["prog", "--tracking-uri", "http://me:word@host:5000"])
    'prog --tracking-uri http://***@host:5000'
    """
    if arguments is None:
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        program = ("python", "-m", spec.name.removesuffix(".__main__")) if spec else sys.argv[:1]
        arguments = [*program, *sys.argv[1:]]
    return shlex.join(_LOGIN.sub("***@", word) for word in arguments)
