"""Pictures that show nearly the same: one that was saved twice, resized or brightened.

The rule. A picture is made upright, put on white and reduced to a thumbnail of 16 x 16 pixels in
colour, and to a hash of 63 bits: which of the lowest 8 x 8 coefficients of its cosine transform
(32 x 32 pixels, grey, without the mean) are above their median. Two pictures are near duplicates if
their hashes differ in at most 10 bits, or both have a contrast below 12 of 255, where a hash is
noise; if their thumbnails, each without its mean, differ by at most 0.3 of the larger contrast, or
by 2 (root mean squares); and if the means differ by at most 25. Near duplicates of near duplicates
are of one group.

What it finds and misses is measured by ``benchmarks/near_duplicates.py`` and shown in
``docs/own_pictures.md``. A copy that is mirrored, turned or cut by more than a twentieth is another
picture.

Shape letters: N pictures, P pairs.
"""

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from core.pictures import DAMAGED, on_white, turn_upright

_THUMBNAIL, _GREY, _KEPT = 16, 32, 8
"""Pixels of a side, and coefficients of a side."""

MOST_BITS = 10
MOST_DIFFERENCE = 0.3
MOST_SHIFT = 25.0
_NOISE = 2.0
"""A difference that small (of 255) is none, whatever the contrast."""

_FLAT = 12.0
"""Contrast below which a picture's hash is noise."""

_ROWS_AT_ONCE = 512


class Sketch(NamedTuple):
    """What two pictures are compared by."""

    bits: int
    thumbnail: npt.NDArray[np.uint8]


def sketch(content: bytes) -> Sketch | None:
    """The hash and the thumbnail of a picture; None where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _sketch(content)
    except (*DAMAGED, Image.DecompressionBombError):
        return None  # packing tells which and why


def duplicate_groups(contents: Iterable[list[bytes]]) -> npt.NDArray[np.int64]:
    """Number the groups of near duplicates.

    Parameters
    ----------
    contents
        The pictures' bytes, some at a time.

    Returns
    -------
    numpy.ndarray
        (N,) int64, counted from 0 by where a group first occurs. What cannot be read is a group of
        its own.
    """
    with ThreadPoolExecutor() as pool:
        sketches = [found for some in contents for found in pool.map(sketch, some)]
    # Equal ones are one, so that a thousand blank pages are no million pairs.
    distinct: dict[tuple[int, bytes] | int, Sketch | None] = {}
    place_N = np.empty(len(sketches), dtype=np.int64)
    places: dict[tuple[int, bytes] | int, int] = {}
    for row, found in enumerate(sketches):
        key = row if found is None else (found.bits, found.thumbnail.tobytes())
        place_N[row] = places.setdefault(key, len(places))
        distinct.setdefault(key, found)
    pairs_P2 = np.array([*_pairs(list(distinct.values()))], dtype=np.int64).reshape(-1, 2)
    links = coo_array(
        (np.ones(len(pairs_P2), dtype=np.int8), (pairs_P2[:, 0], pairs_P2[:, 1])),
        shape=(len(distinct), len(distinct)),
    )
    _, component_G = connected_components(links, directed=False)
    return _by_occurrence(component_G[place_N])


def _by_occurrence(group_N: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """The same groups, numbered by where they first occur."""
    _, first_rows_G, number_N = np.unique(group_N, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first_rows_G))[number_N].astype(np.int64)


def _sketch(content: bytes) -> Sketch:
    with Image.open(io.BytesIO(content)) as opened:
        # A JPEG is decoded at an eighth of its size where that is enough.
        opened.draft("RGB", (2 * _GREY, 2 * _GREY))
        image: Image.Image = opened
        upright = turn_upright(image)
        image = on_white(image)
        if upright is not None:
            image = image.transpose(upright)
        thumbnail = image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
        grey = image.convert("L").resize((_GREY, _GREY), Image.Resampling.BOX)
    waves = dctn(np.asarray(grey, dtype=np.float64), norm="ortho")[:_KEPT, :_KEPT].ravel()[1:]
    above = waves > np.median(waves)
    return Sketch(int("".join("01"[bit] for bit in above.tolist()), 2), np.asarray(thumbnail))


def _pairs(sketches: Sequence[Sketch | None]) -> Iterator[tuple[int, int]]:
    """Places of near duplicates."""
    known = [(place, found) for place, found in enumerate(sketches) if found is not None]
    flat = [(place, found) for place, found in known if _contrast(found.thumbnail) < _FLAT]
    for some, candidates in (
        (known, _of_like_hash([found.bits for _, found in known])),
        (flat, _of_like_pixels([found.thumbnail for _, found in flat])),
    ):
        for first, second in candidates:
            (place, one), (other_place, other) = some[first], some[second]
            if _alike(one.thumbnail, other.thumbnail):
                yield place, other_place


def _of_like_hash(hashes: Sequence[int]) -> Iterator[tuple[int, int]]:
    hashes_P = np.array(hashes, dtype=np.uint64)
    for start in range(0, len(hashes_P), _ROWS_AT_ONCE):
        some = hashes_P[start : start + _ROWS_AT_ONCE]
        differing = np.bitwise_count(some[:, None] ^ hashes_P[None, start:])
        for first, second in np.argwhere(differing <= MOST_BITS).tolist():
            if first < second:
                yield start + first, start + second


def _of_like_pixels(thumbnails: Sequence[npt.NDArray[np.uint8]]) -> Iterator[tuple[int, int]]:
    if not thumbnails:
        return
    flat_PX = np.stack(thumbnails).reshape(len(thumbnails), -1, 3).astype(np.float64)
    flat_PX = (flat_PX - flat_PX.mean(axis=1, keepdims=True)).reshape(len(thumbnails), -1)
    nearest = max(MOST_DIFFERENCE * _FLAT, _NOISE) * np.sqrt(flat_PX.shape[1])
    for start in range(0, len(flat_PX), _ROWS_AT_ONCE):
        distances = cdist(flat_PX[start : start + _ROWS_AT_ONCE], flat_PX[start:])
        for first, second in np.argwhere(distances <= nearest).tolist():
            if first < second:
                yield start + first, start + second


def _alike(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> bool:
    one, other = first.astype(np.float64), second.astype(np.float64)
    mean, other_mean = one.mean(axis=(0, 1)), other.mean(axis=(0, 1))
    if np.abs(mean - other_mean).max() > MOST_SHIFT:
        return False
    one, other = one - mean, other - other_mean
    contrast = max(_root_mean_square(one), _root_mean_square(other))
    return _root_mean_square(one - other) <= max(MOST_DIFFERENCE * contrast, _NOISE)


def _contrast(thumbnail: npt.NDArray[np.uint8]) -> float:
    return _root_mean_square(thumbnail - thumbnail.mean(axis=(0, 1)))


def _root_mean_square(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))
