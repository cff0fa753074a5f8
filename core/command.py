"""What commands share."""

import argparse
import dataclasses
import json
from types import NoneType
from typing import Any, NoReturn, get_args

from core.config import FIELD_NAMES, OPTION_NAMES, OPTION_TYPES, TrainConfig
from core.errors import did_you_mean

_TYPES = {**{f.name: f.type for f in dataclasses.fields(TrainConfig)}, **OPTION_TYPES}


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def add_set_argument(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add `--set FIELD=VALUE`, which may be repeated; the pairs come as `options.set`."""
    parser.add_argument(
        "--set",
        action="append",
        type=assignment,
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of TrainConfig or a method's option, on top of the dataset's preset; "
        "may be repeated",
    )


def assignment(text: str) -> tuple[str, Any]:
    """A field of TrainConfig or a method's option and its new value, for `--set FIELD=VALUE`.

    Values are JSON or plain words, and Python's `None`, `True` and `False` as a config prints them.
    Where a field may be None, `none`, `None` and `null` all say so; elsewhere `none` is a word, as
    in `feature_activation=none`.

    Raises
    ------
    argparse.ArgumentTypeError
        If there is no such field or option.
    """
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"must be FIELD=VALUE, but got {text!r}")
    known = (*FIELD_NAMES, *OPTION_NAMES)
    if key not in known:
        raise argparse.ArgumentTypeError(
            f"{key!r} is no field of TrainConfig.{did_you_mean(key, known)}"
        )
    types = get_args(_TYPES[key]) or (_TYPES[key],)
    if NoneType in types and value in ("none", "None"):
        return key, None
    if bool in types and value in ("True", "False"):
        return key, value == "True"
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
