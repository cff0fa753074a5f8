"""Datasets by name, and packed ones of one's own by their place."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, TypeVar

from core.config import PRESETS, ImageOptions, own_preset
from core.data.bundled import (
    FieldGuideParams,
    KanjiParams,
    field_guide_pairs,
    kanji_pairs,
    kanjivg_version,
    load_digits,
    load_field_guide,
    load_kanji,
)
from core.data.counterfactual import CounterfactualPairs
from core.data.naming import check_name
from core.data.types import Dataset
from core.errors import ConfigError, did_you_mean

_StrPath = str | PathLike[str]
_Loader = Callable[[ImageOptions, int, _StrPath | None], Dataset]
_Pairs = Callable[[ImageOptions, int, bool], CounterfactualPairs]
_Params = TypeVar("_Params")

_LOADERS: dict[str, _Loader] = {
    "digits": lambda images, split_seed, cache_dir: load_digits(split_seed=split_seed),
    "field_guide": lambda images, split_seed, cache_dir: load_field_guide(
        _at_size(FieldGuideParams, images), split_seed=split_seed, cache_dir=cache_dir
    ),
    "kanji": lambda images, split_seed, cache_dir: load_kanji(
        _at_size(KanjiParams, images), split_seed=split_seed, cache_dir=cache_dir
    ),
}
_PAIRS: dict[str, _Pairs] = {
    "field_guide": lambda images, count, exchanges: field_guide_pairs(
        _at_size(FieldGuideParams, images), pairs_per_attribute=count, exchanges=exchanges
    ),
    # A component of a kanji always takes another's place: there are exchanges alone.
    "kanji": lambda images, count, exchanges: kanji_pairs(
        _at_size(KanjiParams, images), pairs_per_attribute=count
    ),
}
_RENDERED: dict[str, Callable[..., FieldGuideParams | KanjiParams]] = {
    "field_guide": FieldGuideParams,
    "kanji": KanjiParams,
}

BUNDLED_DATASETS: tuple[str, ...] = tuple(_LOADERS)
"""Made or shipped here, held in memory."""

COUNTERFACTUAL_DATASETS: tuple[str, ...] = tuple(_PAIRS)
"""Those of which `counterfactual_pairs` can draw an image again with one part of it changed."""

PACKED_DATASETS: tuple[str, ...] = ("cub", "awa2", "apascal", "ayahoo")
"""Packed from their archives by `core.data.pack`, decoded while training."""

DATASETS: tuple[str, ...] = BUNDLED_DATASETS + PACKED_DATASETS
"""Names that `load_dataset` knows without being told more. A packed data set of one's own has the
name that its manifest states."""


def load_dataset(
    name: str | None = None,
    *,
    data: _StrPath | None = None,
    images: ImageOptions | None = None,
    split_seed: int = 0,
    cache_dir: _StrPath | None = None,
    loader_workers: int = 0,
) -> Dataset:
    """Load a dataset by its name, or a packed one by its place.

    Images of a packed dataset stay in its memory-mapped files, which processes of one machine
    share. They are decoded, resized and cropped batch by batch; minival is a tenth of the training
    part, each class its share, and holds all objects of an image or none.

    Parameters
    ----------
    name
        One of `DATASETS`, or the name of a packed data set of one's own. None for that of `data`.
    data
        Where `python -m core.data.pack` put a packed dataset: a folder, or an s3:// or gs:// URI,
        from which it is copied to `cache_dir` once. The bundled datasets have none and refuse it.
    images
        `TrainConfig.image_options`: sizes and augmentation of a packed dataset's images, or the
        size that those of "field_guide" and "kanji" are drawn at. "digits" has one size, and no
        bundled dataset is augmented.
    split_seed
        Seed that cuts minival from the training part; the test split does not depend on it.
    cache_dir
        Where made data and copies are kept. None for the folder that the environment variable
        INTERSECTION_CACHE names, else ``~/.cache/intersection-regularization``.
    loader_workers
        Processes that decode a packed dataset's images ahead of their use; 0 decodes them in this
        one. It changes no pixel.

    Raises
    ------
    ConfigError
        If neither name nor place is given, if the name is unknown, if a bundled dataset is given
        `data`, workers or a packed one's sizes, if a packed one lacks them or was packed at a
        smaller size, if `image_size` is given for a dataset that is not drawn or lies outside
        [16, 512], if `split_seed` is negative, or if "kanji" is asked for without this project's
        extra `[kanji]`.
    DataError
        If `data` holds no packed dataset of that name, or a damaged one.

    Examples
    --------
    >>> load_dataset("digits").num_classes
    10
    >>> load_dataset("field_guide", images=ImageOptions(image_size=64)).image_shape
    (3, 64, 64)
    >>> options = ImageOptions(resize_size=550, crop_size=448, augmentation="crop_flip")
    >>> load_dataset("cub", data="packed/cub", images=options).image_shape  # doctest: +SKIP
    (3, 448, 448)
    """
    images = images or ImageOptions()
    name = dataset_name(name, data)
    check_dataset(name, data=data, images=images, loader_workers=loader_workers)
    if data is None:
        return _LOADERS[name](images, split_seed, cache_dir)
    # Imported here: torchvision takes seconds, and the bundled datasets do without.
    from core.data.packed.dataset import load_packed

    return load_packed(
        name,
        data,
        images=images,
        split_seed=split_seed,
        cache_dir=cache_dir,
        loader_workers=loader_workers,
    )


def dataset_name(name: str | None, data: _StrPath | None) -> str:
    """The name that is given, or the one that a packed dataset's manifest states.

    Raises
    ------
    ConfigError
        If there is neither a name nor a place.
    DataError
        If the place holds no packed dataset.
    """
    if name is not None:
        return name
    if data is None:
        raise ConfigError(
            f"A dataset must be given by its name, such as {BUNDLED_DATASETS[0]!r}, or a packed "
            "one by its place (`data`)."
        )
    from core.data.packed.dataset import manifest_of

    return manifest_of(data).name


def dataset_preset(name: str, data: _StrPath | None = None) -> Mapping[str, Any]:
    """Fields of TrainConfig that suit a dataset better than the paper's.

    Those of `core.config.PRESETS`. A packed data set of one's own, which has none there, gets
    `core.config.own_preset` of its classes, the number of its images and their median size.

    Raises
    ------
    ConfigError, DataError
        If `data` is to be read, and holds no packed dataset of that name.
    """
    if name in PRESETS or data is None:
        return PRESETS.get(name, {})
    from core.data.packed.dataset import manifest_of, median_side

    manifest = manifest_of(data, name)
    return own_preset(
        num_classes=len(manifest.class_names),
        num_train=manifest.num_train,
        side=median_side(data),
    )


def counterfactual_pairs(
    name: str,
    *,
    images: ImageOptions | None = None,
    pairs_per_attribute: int = 20,
    exchanges: bool = False,
) -> CounterfactualPairs:
    """Draw pairs of images of a dataset that differ in one thing.

    Pairs of "field_guide" differ in one attribute, to the pixel. Pairs of "kanji" are two
    characters that differ in one component, written by one hand: in the attributes of both
    components and of their strokes. No image of the dataset is among them.

    Parameters
    ----------
    name
        One of `COUNTERFACTUAL_DATASETS`.
    images
        As `load_dataset` takes them: the size that images are drawn at.
    pairs_per_attribute
        At least 1; half of them add the attribute and half remove it where both can be.
    exchanges
        Whether to make pairs in which one attribute takes the place of another as well (a red bill
        turns yellow). Some attributes can change in no other way, and have no pairs without. All
        pairs of "kanji" are exchanges, and are made either way.

    Raises
    ------
    ConfigError
        If the dataset has no pairs, or an argument is outside its range.

    Examples
    --------
    >>> pairs = counterfactual_pairs("field_guide", pairs_per_attribute=2)
    >>> differs_PA = pairs.before.attributes_NA != pairs.after.attributes_NA
    >>> len(pairs), set(differs_PA.sum(1).tolist())
    (32, {1})
    """
    images = images or ImageOptions()
    if name not in COUNTERFACTUAL_DATASETS:
        known = ", ".join(repr(known_name) for known_name in COUNTERFACTUAL_DATASETS)
        raise ConfigError(
            f"Counterfactual pairs are there for {known} alone, which are drawn from records, but "
            f"got {name!r}.{did_you_mean(name, COUNTERFACTUAL_DATASETS)}"
        )
    check_dataset(name, data=None, images=images)
    return _PAIRS[name](images, pairs_per_attribute, exchanges)


def check_dataset(
    name: str, *, data: _StrPath | None, images: ImageOptions, loader_workers: int = 0
) -> None:
    """Refuse what `load_dataset` would refuse before it looks at any file.

    Raises
    ------
    ConfigError
        As `load_dataset`.
    """
    if name not in DATASETS and data is None:
        known = ", ".join(repr(known_name) for known_name in DATASETS)
        raise ConfigError(
            f"Dataset {name!r} is none of {known}.{did_you_mean(name, DATASETS)} One of your own "
            "is packed with `python -m core.data.pack folder`, and found by its place (`data`)."
        )
    check_name(name)
    if loader_workers < 0:
        raise ConfigError(f"`loader_workers` must be at least 0, but got {loader_workers}.")
    if images.image_size is not None:
        _check_image_size(name, images)
    if name not in BUNDLED_DATASETS:
        if data is None:
            raise ConfigError(
                f"`data` must say where {name!r} was packed, but is None. Pack its archive with "
                f"`python -m core.data.pack {name} --root DIR --output PATH`, and give PATH."
            )
        if not images.decodes:
            raise ConfigError(
                f"`resize_size` and `crop_size` must be given for {name!r}, whose images have many "
                "sizes, such as the 550 and 448 of its preset."
            )
        return
    if data is not None:
        raise ConfigError(
            f"`data` must be None for {name!r}, which is bundled and reads no files, but got "
            f"{str(data)!r}: leave it out."
        )
    if images.decodes:
        remedy = "give `image_size`" if name in _RENDERED else "leave them out"
        raise ConfigError(
            f"`resize_size` and `crop_size` must be None for {name!r}, whose images have one size "
            f"and are not decoded, but got {images.resize_size} and {images.crop_size}: {remedy}."
        )
    if loader_workers:
        raise ConfigError(
            f"`loader_workers` must be 0 for {name!r}, whose images are held in memory, but got "
            f"{loader_workers}: leave it out."
        )
    if name == "kanji":
        kanjivg_version()  # refuses where there is none


def _check_image_size(name: str, images: ImageOptions) -> None:
    if name not in _RENDERED:
        is_packed = name not in BUNDLED_DATASETS
        own = "are decoded" if is_packed else "have one size"
        remedy = "give `resize_size` and `crop_size`" if is_packed else "leave it out"
        raise ConfigError(
            f"`image_size` must be None for {name!r}, whose images {own} and are not drawn, but "
            f"got {images.image_size}: {remedy}, or take {' or '.join(_RENDERED)}."
        )
    _at_size(_RENDERED[name], images)  # refuses what the renderer cannot draw


def _at_size(kind: Callable[..., _Params], images: ImageOptions) -> _Params:
    return kind() if images.image_size is None else kind(image_size=images.image_size)
