"""What a data set of one's own may be called, and what its class names are brought to.

A name becomes a word of arms, files, MLflow tags and ``--data NAME=PATH``.
"""

import re
import unicodedata

from core.errors import ConfigError

MOST_CHARACTERS = 60

_LEGAL = re.compile(r"\w[\w.\-]*")


def is_name(text: str) -> bool:
    """Whether a data set can be called so.

    Examples
    --------
    >>> is_name("garden-birds"), is_name("garden birds"), is_name("../birds")
    (True, False, False)
    """
    return len(text) <= MOST_CHARACTERS and _LEGAL.fullmatch(text) is not None


def check_name(name: str) -> None:
    """Refuse a name that could not be a word everywhere.

    Raises
    ------
    ConfigError
    """
    if not is_name(name):
        raise ConfigError(
            f"The name of a data set must be letters, digits, '_', '-' and '.', at most "
            f"{MOST_CHARACTERS}, the first a letter, digit or '_', but got {name!r}."
        )


def name_from(text: str) -> str:
    """The nearest legal name; nothing where no character is one of a name.

    Examples
    --------
    >>> name_from("Garden birds (2024)")
    'Garden_birds_2024'
    """
    words = re.findall(r"[\w.\-]+", as_written(text))
    return "_".join(words)[:MOST_CHARACTERS].lstrip(".-")


def as_written(text: str) -> str:
    """One form (Unicode's NFC) for what looks the same: macOS stores file names in another."""
    return unicodedata.normalize("NFC", text)
