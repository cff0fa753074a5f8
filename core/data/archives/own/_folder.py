"""Pictures in class folders."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.data.archives._table import Archive
from core.data.archives.files import StrPath, first_names
from core.data.archives.own._build import Found, Options, build_archive
from core.data.archives.own._names import part_of
from core.data.naming import as_written
from core.errors import DataError
from core.pictures import PICTURE_SUFFIXES

__all__ = ["read_folder"]

_LAYOUT = """\
Class folders look like this:
  PICTURES/heron/*.jpg  PICTURES/kingfisher/*.png  and a folder for each other class
or, where the split is given, perhaps with val/ beside:
  PICTURES/train/heron/*.jpg  PICTURES/test/heron/*.jpg  and so on"""


def read_folder(
    root: StrPath,
    *,
    dataset_name: str | None = None,
    test_share: float = 0.3,
    test_seed: int = 0,
    near_duplicates: bool = True,
    attributes: str | None = None,
    threshold: float | None = None,
) -> Archive:
    """Read pictures in class folders: one row a picture, sorted by part, class and path.

    A class is a folder in `root`, or in ``train/``, ``val/`` and ``test/`` there; all pictures
    below it are of it. ``docs/own_pictures.md`` has the rule for everything odd.

    Parameters
    ----------
    root
        The folder.
    dataset_name
        What the data set is called; None for the folder's name.
    test_share
        Share of each class's pictures that are held out for test, in (0, 1), where no ``train/``
        says which.
    test_seed
        Seed of that choice.
    near_duplicates
        Whether to look for pictures that show nearly the same and keep them on one side of every
        cut. Every picture is opened for it.
    attributes
        A CSV or Parquet table; see `docs/own_pictures.md`. None for a data set without attributes.
    threshold
        An attribute given in other numbers than 0 and 1 holds from this on.

    Returns
    -------
    Archive
        With groups of near duplicates; its warnings tell what was left out or odd.

    Raises
    ------
    ConfigError
        If an option is not legal.
    DataError
        If there are no pictures of two classes, if class folders differ in case alone, if the
        parts of a given split do not fit together, or if the table of attributes is malformed.

    Examples
    --------
    >>> archive = read_folder("birds", attributes="birds.csv")  # doctest: +SKIP
    >>> archive.name, archive.class_names  # doctest: +SKIP
    ('birds', ('heron', 'kingfisher'))
    """
    options = Options(
        dataset_name=dataset_name,
        test_share=test_share,
        test_seed=test_seed,
        near_duplicates=near_duplicates,
        attributes=attributes,
        threshold=threshold,
    )
    folder = Path(os.path.abspath(root))
    if not folder.is_dir():
        raise DataError(f"`root` must be a folder, but {str(folder)!r} is none. {_LAYOUT}")
    odd = _Odd()
    rows = list(_rows(folder, odd))
    if not rows:
        raise DataError(
            f"{str(folder)!r} must hold pictures in class folders, but has none that ends in "
            f"{', '.join(PICTURE_SUFFIXES)}.{odd.loose_hint()} {_LAYOUT}"
        )
    has_parts = rows[0].part is not None
    found = Found(
        root=folder,
        title=folder.name,
        files=[row.file for row in rows],
        classes=[row.class_name for row in rows],
        order=None,
        parts=[str(row.part) for row in rows] if has_parts else None,
        where="class folders",
        contents=None,
        warnings=odd.warnings(),
    )
    return build_archive(found, options)


@dataclass(frozen=True)
class _Row:
    part: str | None
    class_name: str
    file: str


@dataclass
class _Odd:
    """What is left out, by why."""

    loose: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)

    def loose_hint(self) -> str:
        if not self.loose:
            return ""
        return f" Pictures in no class folder are left out ({len(self.loose)})."

    def warnings(self) -> list[str]:
        rules = (
            (self.loose, "Pictures in no class folder are left out"),
            (self.others, "Files that do not end as pictures do are left out"),
            (self.empty, "Class folders without a picture are left out"),
            (self.broken, "Links that lead nowhere are left out"),
            (self.loops, "Links that lead back to a folder above them are left out"),
            (self.unnamed, "Names that are no UTF-8 are left out"),
        )
        return [f"{rule} ({len(names)}): {first_names(names)}." for names, rule in rules if names]


def _rows(folder: Path, odd: _Odd) -> Iterator[_Row]:
    parts = _parts(folder)
    if parts is None:
        yield from _classes(folder, None, folder, odd)
        return
    _loose(folder, folder, odd)
    for part, part_folder in parts.items():
        yield from _classes(part_folder, part, folder, odd)


def _parts(folder: Path) -> dict[str, Path] | None:
    """Folders of the split, by part; None where the folders are classes."""
    folders = [entry for entry in _entries(folder) if entry.is_dir()]
    named = [(part_of(path.name), path) for path in folders]
    found = {part for part, _ in named if part is not None}
    if "train" not in found or len(found) == 1:
        return None
    parts: dict[str, Path] = {}
    for part, path in named:
        if part is None:
            raise DataError(
                f"Beside 'train' and {' and '.join(sorted(found - {'train'}))} there must be no "
                f"other folder, but there is {path.name!r} in {str(folder)!r}. If 'train' is a "
                "class, give the others other names; if it is a part, move this folder into it."
            )
        if part in parts:
            raise DataError(
                f"A part of the split must be one folder, but {parts[part].name!r} and "
                f"{path.name!r} in {str(folder)!r} are both {part!r}: make one of them."
            )
        parts[part] = path
    return {part: parts[part] for part in ("train", "val", "test") if part in parts}


def _classes(part_folder: Path, part: str | None, root: Path, odd: _Odd) -> Iterator[_Row]:
    _loose(part_folder, root, odd)
    by_class: dict[str, list[str]] = {}
    for folder in _entries(part_folder):
        if not folder.is_dir():
            continue
        if not _is_text(folder.name):
            odd.unnamed.append(_shown(folder, root))
            continue
        files = list(_pictures(folder, root, odd, (os.path.realpath(part_folder),)))
        if not files:
            odd.empty.append(_shown(folder, root))
        by_class.setdefault(as_written(folder.name), []).extend(files)
    for class_name in sorted(by_class):
        yield from (_Row(part, class_name, file) for file in by_class[class_name])


def _pictures(folder: Path, root: Path, odd: _Odd, above: tuple[str, ...]) -> Iterator[str]:
    """Pictures below a folder, relative to the root, sorted; links are followed."""
    real = os.path.realpath(folder)
    if real in above:
        odd.loops.append(_shown(folder, root))
        return
    for path in _entries(folder):
        if not _is_text(path.name):
            odd.unnamed.append(_shown(path, root))
        elif path.is_dir():
            yield from _pictures(path, root, odd, (*above, real))
        elif not path.is_file():
            odd.broken.append(_shown(path, root))
        elif path.suffix.lower() in PICTURE_SUFFIXES:
            yield path.relative_to(root).as_posix()
        else:
            odd.others.append(_shown(path, root))


def _loose(folder: Path, root: Path, odd: _Odd) -> None:
    for path in _entries(folder):
        if path.is_file():
            is_picture = path.suffix.lower() in PICTURE_SUFFIXES
            (odd.loose if is_picture else odd.others).append(_shown(path, root))
        elif not path.is_dir():
            odd.broken.append(_shown(path, root))


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without what is hidden."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise DataError(f"{str(folder)!r} must be readable, but: {error.strerror}.") from error
    return [folder / name for name in sorted(names) if not name.startswith((".", "__MACOSX"))]


def _is_text(name: str) -> bool:
    """Whether the bytes of a name were UTF-8."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix().encode(errors="backslashreplace").decode()
