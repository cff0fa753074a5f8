"""Datasets by name."""

import difflib
from collections.abc import Callable
from os import PathLike

from core.data._types import Dataset
from core.data.digits import load_digits
from core.data.field_guide import load_field_guide
from core.errors import ConfigError

_StrPath = str | PathLike[str]
_Loader = Callable[[int, _StrPath | None], Dataset]

_BUNDLED: dict[str, _Loader] = {
    "digits": lambda split_seed, cache_dir: load_digits(split_seed=split_seed),
    "field_guide": lambda split_seed, cache_dir: load_field_guide(
        split_seed=split_seed, cache_dir=cache_dir
    ),
}

DATASETS: tuple[str, ...] = tuple(_BUNDLED)
"""Names that `load_dataset` knows."""


def load_dataset(
    name: str,
    *,
    root: _StrPath | None = None,
    split_seed: int = 0,
    cache_dir: _StrPath | None = None,
) -> Dataset:
    """Load a dataset by name.

    Parameters
    ----------
    name
        One of `DATASETS`.
    root
        Folder of the dataset's files. The bundled datasets have none and refuse it.
    split_seed
        Seed that cuts minival from the training part; the test split does not depend on it.
    cache_dir
        Where made data are kept. None for the folder that the environment variable
        INTERSECTION_CACHE names, else ``~/.cache/intersection-regularization``.

    Raises
    ------
    ConfigError
        If the name is unknown, if a bundled dataset is given a `root`, or if `split_seed` is
        negative.

    Examples
    --------
    >>> load_dataset("digits").num_classes
    10
    """
    if name not in _BUNDLED:
        close = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        known = ", ".join(repr(known_name) for known_name in DATASETS)
        raise ConfigError(f"Dataset {name!r} is none of {known}.{hint}")
    if root is not None:
        raise ConfigError(
            f"`root` must be None for {name!r}, which is bundled and reads no files, but got "
            f"{str(root)!r}: leave it out."
        )
    return _BUNDLED[name](split_seed, cache_dir)
