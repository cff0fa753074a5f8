"""The kanji as a dataset.

Shape letters: N samples, C channels, H height, W width, A attributes.
"""

from collections.abc import Sequence
from importlib import metadata
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.cache import default_cache_dir
from core.data.bundled._cache import Arrays, cached
from core.data.bundled._version import source_digest
from core.data.bundled.kanji._attributes import choose_columns, flags
from core.data.bundled.kanji._characters import CHARACTERS
from core.data.bundled.kanji._drawing import Drawing, read_drawings
from core.data.bundled.kanji._hand import Stream, draw_hand, stream
from core.data.bundled.kanji._params import KanjiParams
from core.data.bundled.kanji._render import render
from core.data.bundled.kanji._source import drawing_files, kanjivg_version
from core.data.splits import cut, stratified_splits
from core.data.types import Dataset

_RENDERER = Path(__file__).parent
_TEST_SHARE = 0.3
_MINIVAL_SHARE = 0.1


def load_kanji(
    params: KanjiParams | None = None,
    *,
    split_seed: int = 0,
    cache_dir: str | PathLike[str] | None = None,
) -> Dataset:
    """Draw the kanji, or read them from the cache.

    120 characters, written by a different hand in each image: pen, slant, proportions, warp and
    the place of each stroke vary, and a character that KanjiVG has several drawings of is written
    in all of them. The attributes are what its lexicographers recorded: components, where they
    stand, the layout, kinds and number of strokes. They are those of the drawing that an image
    shows. About 30 % of each character is the test split, the same for every `split_seed`, and
    about 10 % is minival.

    The drawings are read from the package kanjivg (Ulrich Apel, CC BY-SA 3.0), which this project's
    extra ``[kanji]`` installs.

    Parameters
    ----------
    params
        What to draw; None for the defaults.
    split_seed
        Seed that cuts minival from the training part.
    cache_dir
        Folder of the cache. None for the one that the environment variable INTERSECTION_CACHE
        names, else ``~/.cache/intersection-regularization``.

    Returns
    -------
    Dataset
        Images of shape (1, image_size, image_size).

    Raises
    ------
    ConfigError
        If `split_seed` is negative, or if the extra is not installed.
    DataError
        If the package's files are not the drawings that are looked for.

    Warns
    -----
    RuntimeWarning
        If the cache file is damaged, or cannot be read or written. The images are then drawn anew.

    Examples
    --------
    >>> load_kanji(KanjiParams(image_size=48)).image_shape  # doctest: +SKIP
    (1, 48, 48)
    """
    params = params or KanjiParams()
    key = _cache_key(params)
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    arrays = cached("kanji", key, lambda: draw_all(params), folder)
    labels_N = arrays["labels_N"]
    indices = stratified_splits(
        labels_N, test_share=_TEST_SHARE, minival_share=_MINIVAL_SHARE, split_seed=split_seed
    )
    return cut(
        indices,
        name="kanji",
        class_names=tuple(CHARACTERS.values()),
        attribute_names=tuple(arrays["attribute_names"].tolist()),
        images_NCHW=arrays["images_NCHW"],
        labels_N=labels_N,
        attributes_NA=arrays["attributes_NA"],
    )


def read_characters() -> list[tuple[Drawing, ...]]:
    """The drawings of each character, in the order of the classes."""
    return [read_drawings(paths) for paths in drawing_files(CHARACTERS).values()]


def draw_all(params: KanjiParams) -> Arrays:
    """Draw every image; characters take turns, so that more images only append rows."""
    characters = read_characters()
    columns = choose_columns([drawings[0] for drawings in characters])
    flags_by_drawing = [[flags(x, columns) for x in drawings] for drawings in characters]
    num_images = len(characters) * params.images_per_character
    size = params.image_size
    images_NCHW = np.empty((num_images, 1, size, size), dtype=np.uint8)
    attributes_NA = np.empty((num_images, len(columns)), dtype=np.bool_)
    labels_N = np.arange(num_images, dtype=np.int64) % len(characters)
    for row, label in enumerate(labels_N.tolist()):
        image_index = row // len(characters)
        images_NCHW[row], drawn = draw_one(params, characters[label], label, image_index)
        attributes_NA[row] = flags_by_drawing[label][drawn]
    return {
        "images_NCHW": images_NCHW,
        "labels_N": labels_N,
        "attributes_NA": attributes_NA,
        "attribute_names": np.array([attribute.name for attribute in columns]),
    }


def draw_one(
    params: KanjiParams, drawings: Sequence[Drawing], label: int, image_index: int
) -> tuple[npt.NDArray[np.uint8], int]:
    """One image and which of the drawings it shows, whatever else is drawn before or after."""
    hand = draw_hand(stream(params.seed, label, image_index, Stream.HAND))
    drawn = int(hand.variant * len(drawings))
    grain = stream(params.seed, label, image_index, Stream.GRAIN)
    return render(drawings[drawn], hand, params.image_size, grain), drawn


def _cache_key(params: KanjiParams) -> str:
    # Each of them may draw other numbers or round otherwise one day.
    versions = [f"{name} {metadata.version(name)}" for name in ("fonttools", "numpy", "scipy")]
    versions += [f"kanjivg {kanjivg_version()}", f"renderer {source_digest(_RENDERER)}"]
    return f"kanji {params.canonical()} {', '.join(versions)}"
