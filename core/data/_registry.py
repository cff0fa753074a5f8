"""Datasets by name."""

import difflib
from collections.abc import Callable
from os import PathLike

from core.data._types import Dataset
from core.data.digits import load_digits
from core.data.field_guide import load_field_guide
from core.errors import ConfigError
from core.image_options import ImageOptions

_StrPath = str | PathLike[str]
_Loader = Callable[[int, _StrPath | None], Dataset]

_LOADERS: dict[str, _Loader] = {
    "digits": lambda split_seed, cache_dir: load_digits(split_seed=split_seed),
    "field_guide": lambda split_seed, cache_dir: load_field_guide(
        split_seed=split_seed, cache_dir=cache_dir
    ),
}

BUNDLED_DATASETS: tuple[str, ...] = tuple(_LOADERS)
"""Made or shipped here, held in memory."""

PACKED_DATASETS: tuple[str, ...] = ("cub", "awa2", "apascal", "ayahoo")
"""Packed from their archives by `core.data.pack`, decoded while training."""

DATASETS: tuple[str, ...] = BUNDLED_DATASETS + PACKED_DATASETS
"""Names that `load_dataset` knows."""


def load_dataset(
    name: str,
    *,
    root: _StrPath | None = None,
    images: ImageOptions | None = None,
    split_seed: int = 0,
    cache_dir: _StrPath | None = None,
    num_workers: int = 0,
) -> Dataset:
    """Load a dataset by name.

    Images of a packed dataset stay in its memory-mapped files, which processes of one machine
    share. They are decoded, resized and cropped batch by batch; minival is a tenth of the training
    part, each class its share, and holds all objects of an image or none.

    Parameters
    ----------
    name
        One of `DATASETS`.
    root
        Where `python -m core.data.pack` put a packed dataset: a folder, or an s3:// or gs:// URI,
        from which it is copied to `cache_dir` once. The bundled datasets have none and refuse it.
    images
        Sizes and augmentation of a packed dataset's images, `TrainConfig.image_options`. The
        bundled datasets have one size and no augmentation.
    split_seed
        Seed that cuts minival from the training part; the test split does not depend on it.
    cache_dir
        Where made data and copies are kept. None for the folder that the environment variable
        INTERSECTION_CACHE names, else ``~/.cache/intersection-regularization``.
    num_workers
        Processes that decode a packed dataset's images ahead of their use; 0 decodes them in this
        one. It changes no pixel.

    Raises
    ------
    ConfigError
        If the name is unknown, if a bundled dataset is given a `root`, sizes or workers, if a
        packed one lacks them or was packed at a smaller size, or if `split_seed` is negative.
    DataError
        If `root` holds no packed dataset of that name, or a damaged one.

    Examples
    --------
    >>> load_dataset("digits").num_classes
    10
    >>> options = ImageOptions(resize_size=550, crop_size=448, augmentation="crop_flip")
    >>> load_dataset("cub", root="packed/cub", images=options).image_shape  # doctest: +SKIP
    (3, 448, 448)
    """
    images = images or ImageOptions()
    check_dataset(name, root=root, images=images, num_workers=num_workers)
    if root is None:
        return _LOADERS[name](split_seed, cache_dir)
    # Imported here: torchvision takes seconds, and the bundled datasets do without.
    from core.data._packed_dataset import load_packed

    return load_packed(
        name,
        root,
        images=images,
        split_seed=split_seed,
        cache_dir=cache_dir,
        num_workers=num_workers,
    )


def check_dataset(
    name: str, *, root: _StrPath | None, images: ImageOptions, num_workers: int = 0
) -> None:
    """Refuse what `load_dataset` would refuse before it looks at any file.

    Raises
    ------
    ConfigError
        As `load_dataset`.
    """
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        known = ", ".join(repr(known_name) for known_name in DATASETS)
        raise ConfigError(f"Dataset {name!r} is none of {known}.{hint}")
    if num_workers < 0:
        raise ConfigError(f"`num_workers` must be at least 0, but got {num_workers}.")
    if name in PACKED_DATASETS:
        if root is None:
            raise ConfigError(
                f"`root` must say where {name!r} was packed, but is None. Pack its archive with "
                f"`python -m core.data.pack {name} --root DIR --out PATH`, and give PATH."
            )
        if not images.decodes:
            raise ConfigError(
                f"`resize_size` and `crop_size` must be given for {name!r}, whose images have many "
                "sizes, such as the 550 and 448 of its preset."
            )
        return
    if root is not None:
        raise ConfigError(
            f"`root` must be None for {name!r}, which is bundled and reads no files, but got "
            f"{str(root)!r}: leave it out."
        )
    if images.decodes:
        raise ConfigError(
            f"`resize_size` and `crop_size` must be None for {name!r}, whose images have one size "
            f"and are not decoded, but got {images.resize_size} and {images.crop_size}."
        )
    if num_workers:
        raise ConfigError(
            f"`num_workers` must be 0 for {name!r}, whose images are held in memory, but got "
            f"{num_workers}: leave it out."
        )
