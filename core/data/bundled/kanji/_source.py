"""Where the drawings are: the files of the package kanjivg, which comes with an extra.

KanjiVG is Ulrich Apel's work under CC BY-SA 3.0. Nothing of it is kept in this repository.
"""

import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from core.errors import ConfigError, DataError

_PACKAGE = "kanjivg"
_FILE = re.compile(r"(?P<code>[0-9a-f]{5})(?P<variant>-\w+)?\.svg")


def kanjivg_version() -> str:
    """Version of the installed package.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    return _distribution().version


def drawing_files(characters: Iterable[str]) -> Mapping[str, tuple[Path, ...]]:
    """Files of each character: its standard drawing, then its variants by name.

    Raises
    ------
    ConfigError
        If the package is not installed.
    DataError
        If it has no drawing of a character.
    """
    # Its folder has a name of its own, and need not be where one would look: the list knows.
    found: dict[str, dict[str, Path]] = {}
    for file in _distribution().files or ():
        match = _FILE.fullmatch(file.name)
        if match:
            variants = found.setdefault(chr(int(match["code"], 16)), {})
            variants[match["variant"] or ""] = Path(str(file.locate()))
    files = {}
    for character in characters:
        variants = found.get(character, {})
        if "" not in variants:
            raise DataError(
                f"The package {_PACKAGE} must have a drawing of {character!r}, but version "
                f"{kanjivg_version()} has none: install this project's extra `[kanji]` again."
            )
        files[character] = tuple(variants[name] for name in sorted(variants))
    return files


def _distribution() -> metadata.Distribution:
    try:
        return metadata.distribution(_PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise ConfigError(
            f"The dataset 'kanji' must find the package {_PACKAGE}, which it is drawn from, but it "
            "is not installed: `python -m pip install 'intersection-regularization[kanji]'`, or "
            "`make setup` in a checkout."
        ) from error
