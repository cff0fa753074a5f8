"""How many classes and images each archive is published with."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class PublishedSizes(NamedTuple):
    """Counts of an archive as its reader reads it by default; objects where it has boxes."""

    classes: int
    train: int
    """With what becomes minival."""

    test: int


PUBLISHED_SIZES: Mapping[str, PublishedSizes] = MappingProxyType(
    {
        "cub": PublishedSizes(classes=200, train=5994, test=5794),
        "awa2": PublishedSizes(classes=50, train=26125, test=11197),
        "apascal": PublishedSizes(classes=20, train=6340, test=6355),
        "ayahoo": PublishedSizes(classes=12, train=1850, test=794),
    }
)
"""By the archive's name. What a reader finds in a folder is compared with these."""
