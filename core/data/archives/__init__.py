"""The paper's archives as they unpack, and pictures of one's own: readers, and the one table that
all return.

A new archive is a module here with a reader that returns an `Archive`, and a line in `_readers.py`.
"""

from core.data.archives._apascal import read_apascal
from core.data.archives._awa2 import read_awa2
from core.data.archives._ayahoo import read_ayahoo
from core.data.archives._cub import read_cub
from core.data.archives._published import PUBLISHED_SIZES, PublishedSizes
from core.data.archives._readers import ARCHIVES, OWN_READERS, READERS, read_archive
from core.data.archives._table import Archive, Check, Contents
from core.data.archives.own import read_folder, read_parquet

__all__ = [
    "ARCHIVES",
    "OWN_READERS",
    "PUBLISHED_SIZES",
    "READERS",
    "Archive",
    "Check",
    "Contents",
    "PublishedSizes",
    "read_apascal",
    "read_archive",
    "read_awa2",
    "read_ayahoo",
    "read_cub",
    "read_folder",
    "read_parquet",
]
