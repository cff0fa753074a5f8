"""The archives' readers by name."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from core.data.archives._apascal import read_apascal
from core.data.archives._awa2 import read_awa2
from core.data.archives._ayahoo import read_ayahoo
from core.data.archives._cub import read_cub
from core.data.archives._table import Archive
from core.data.archives.files import StrPath
from core.data.archives.own import read_folder, read_parquet
from core.errors import ConfigError, did_you_mean

ARCHIVES: Mapping[str, Callable[..., Archive]] = MappingProxyType(
    {
        "cub": read_cub,
        "awa2": read_awa2,
        "apascal": read_apascal,
        "ayahoo": read_ayahoo,
    }
)
"""Reader of each archive: the folder first, its own options by keyword."""

OWN_READERS: Mapping[str, Callable[..., Archive]] = MappingProxyType(
    {"folder": read_folder, "parquet": read_parquet}
)
"""Readers of pictures of one's own, whose data sets have names of their own."""

READERS: Mapping[str, Callable[..., Archive]] = MappingProxyType({**ARCHIVES, **OWN_READERS})
"""All of them."""


def read_archive(name: str, root: StrPath, **options: Any) -> Archive:
    """Read an archive by name.

    Parameters
    ----------
    name
        One of `READERS`.
    root
        Folder of the unpacked archive; each reader says which folders it takes.
    **options
        Options of that reader.

    Raises
    ------
    ConfigError
        If the name or an option is unknown, or if an option's value is not legal.
    DataError
        If the archive is not there, or is not as it should be.

    Examples
    --------
    >>> archive = read_archive("ayahoo", "farhadi", split="paper")  # doctest: +SKIP
    >>> archive.name  # doctest: +SKIP
    'ayahoo'
    """
    if name not in READERS:
        known = ", ".join(map(repr, READERS))
        hint = did_you_mean(name, READERS)
        raise ConfigError(f"Archive {name!r} is none of {known}.{hint}")
    reader = READERS[name]
    own = tuple(list(inspect.signature(reader).parameters)[1:])
    for option in options:
        if option not in own:
            raise ConfigError(
                f"{option!r} is no option of {name!r}, which has {', '.join(map(repr, own))}."
                f"{did_you_mean(option, own)}"
            )
    return reader(root, **options)
