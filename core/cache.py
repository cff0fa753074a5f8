"""The folder in which made data and copies of packed sets are kept."""

import os
from pathlib import Path

CACHE_VARIABLE = "INTERSECTION_CACHE"
"""Environment variable that names the cache folder."""


def default_cache_dir() -> Path:
    """The folder that `INTERSECTION_CACHE` names, else one below the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path("~/.cache/intersection-regularization").expanduser()
