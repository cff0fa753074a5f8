"""What commands share."""

import argparse
import json
from typing import Any, NoReturn

from core.config import FIELD_NAMES, did_you_mean


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def assignment(text: str) -> tuple[str, Any]:
    """A field of TrainConfig and its new value, for `--set FIELD=VALUE`.

    Raises
    ------
    argparse.ArgumentTypeError
        If there is no such field.
    """
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"must be FIELD=VALUE, but got {text!r}")
    if key not in FIELD_NAMES:
        raise argparse.ArgumentTypeError(f"{key!r} is no field of TrainConfig.{did_you_mean(key)}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value  # a plain word, such as l2


def shown_size(num_bytes: int) -> str:
    """A number of bytes in decimal units, with three digits.

    Examples
    --------
    >>> shown_size(1_834_000_000)
    '1.83 GB'
    """
    size, unit = float(num_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    if unit == "bytes":
        return f"{num_bytes} bytes"
    return f"{size:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f} {unit}"
