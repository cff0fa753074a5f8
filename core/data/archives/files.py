"""What the archive readers share: finding folders, reading lines, and saying what is wrong."""

import codecs
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from core.errors import DataError

StrPath = str | os.PathLike[str]
T = TypeVar("T")

_SHOWN_CHARACTERS = 120
_SHOWN_NAMES = 5


@dataclass(frozen=True)
class Layout:
    """What an archive looks like when it is unpacked, for messages."""

    archive: str
    picture: str

    def missing(self, name: str, places: Sequence[Path]) -> DataError:
        """Say what was looked for, where, and what should be there."""
        looked = " and ".join(repr(str(place)) for place in places)
        return self.error(f"{name!r} of {self.archive} was not found: looked for {looked}.")

    def error(self, what: str) -> DataError:
        return DataError(f"{what} {self.archive} unpacks to:\n{self.picture}")


class Line(NamedTuple):
    """One line that is not blank."""

    path: Path
    number: int
    """Counted from 1, blank lines included."""

    text: str
    """Without the white space at its ends."""

    def error(self, rule: str) -> DataError:
        shown = self.text[:_SHOWN_CHARACTERS]
        if len(self.text) > _SHOWN_CHARACTERS:
            shown += "..."
        return DataError(f"{rule}, but line {self.number} of {str(self.path)!r} reads {shown!r}.")


def find_folder(root: StrPath, places: Sequence[str], *, marker: str, layout: Layout) -> Path:
    """Return the first folder that holds `marker`; `places` are relative to `root`."""
    start = Path(os.path.abspath(root))
    if not start.is_dir():
        raise layout.error(
            f"`root` must be the folder of {layout.archive}, but {str(start)!r} is no folder."
        )
    folders = [start / place for place in places]
    for folder in folders:
        if (folder / marker).is_file():
            return folder
    raise layout.missing(Path(marker).name, [folder / marker for folder in folders])


def read_content(path: Path, layout: Layout) -> bytes:
    """Read a whole file, without the mark that some editors put before UTF-8 text."""
    if not path.is_file():
        raise layout.missing(path.name, [path])
    try:
        return path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise DataError(f"{str(path)!r} must be readable, but: {error.strerror}.") from error


def read_lines(path: Path, layout: Layout) -> list[Line]:
    """Read a text file's lines, whatever their ends, without the blank ones.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, is no text, or has no line.
    """
    try:
        content = read_content(path, layout).decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{str(path)!r} must be UTF-8 text, but has the byte {error.object[error.start]:#04x} "
            f"at position {error.start}: unpack {layout.archive} again."
        ) from error
    lines = [
        Line(path, number, text.strip())
        for number, text in enumerate(content.split("\n"), start=1)
        if text.strip()
    ]
    if not lines:
        raise DataError(
            f"{str(path)!r} must have lines, but is empty: unpack {layout.archive} again."
        )
    return lines


def read_by_id(
    path: Path, layout: Layout, *, form: str, parse: Callable[[str], T]
) -> dict[int, tuple[T, Line]]:
    """Read lines that open with an id; the order of the lines is kept.

    Parameters
    ----------
    path, layout
        The file, and the archive it belongs to.
    form
        What a line must look like, for messages.
    parse
        Makes the value of what follows the id; a ValueError means that it cannot.

    Raises
    ------
    DataError
        If a line has another form, or if an id is given twice.
    """
    values: dict[int, tuple[T, Line]] = {}
    for line in read_lines(path, layout):
        first, *rest = line.text.split(maxsplit=1)
        try:
            identity, value = whole_number(first), parse(rest[0] if rest else "")
        except ValueError as error:
            raise line.error(f"A line of {path.name} must read {form}") from error
        if identity in values:
            raise line.error(
                f"Each id of {path.name} must stand on one line, {identity} stands on line "
                f"{values[identity][1].number} already"
            )
        values[identity] = (value, line)
    return values


def whole_number(text: str) -> int:
    """Read digits alone: neither the signs nor the underscores that `int` takes."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def filled(text: str) -> str:
    """Read a name, which may hold spaces but cannot be empty."""
    if not text:
        raise ValueError(text)
    return text


def unique_names(lines: Iterable[tuple[str, Line]]) -> tuple[str, ...]:
    """Return the names in their order; one that comes twice is a DataError."""
    seen: dict[str, Line] = {}
    for name, line in lines:
        if name in seen:
            raise line.error(
                f"Each name of {line.path.name} must be given once, {name!r} stands on line "
                f"{seen[name].number} already"
            )
        seen[name] = line
    return tuple(seen)


def first_names(names: Sequence[str]) -> str:
    """List names for a message, the first few and how many follow."""
    shown = ", ".join(names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def missing_images_warnings(
    root: Path, files: Sequence[str], *, listed_in: str, layout: Layout
) -> list[str]:
    """Look for the images, one listing a folder, and tell which are missing.

    Parameters
    ----------
    root, files
        The images, relative to `root` with forward slashes; one may come several times.
    listed_in
        The file that names them, for messages.

    Returns
    -------
    list[str]
        No sentence, or one that counts the missing images and names the first.

    Raises
    ------
    DataError
        If not one image is there: the images are then not unpacked, or elsewhere.
    """
    distinct = list(dict.fromkeys(files))
    folders = dict.fromkeys(file.rpartition("/")[0] for file in distinct)
    present = {folder: _names_in(root / folder) for folder in folders}
    missing = []
    for file in distinct:
        folder, _, name = file.rpartition("/")
        if name not in present[folder]:
            missing.append(file)
    if len(missing) == len(distinct):
        raise layout.error(
            f"Of the {len(distinct)} images that {listed_in} names, none was found: looked for "
            f"{str(root / missing[0])!r} and so on."
        )
    if not missing:
        return []
    return [
        f"Images that {listed_in} names and that are missing ({len(missing)} of {len(distinct)}): "
        f"{first_names(missing)}. Their rows stay in the table."
    ]


def _names_in(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
