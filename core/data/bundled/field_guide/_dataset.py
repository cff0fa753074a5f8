"""The field guide as a dataset.

Shape letters: N samples, C channels, H height, W width, A attributes.
"""

from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL

from core.cache import default_cache_dir
from core.data.bundled._cache import Arrays, cached
from core.data.bundled._version import source_digest
from core.data.bundled.field_guide._annotate import misread, shown_attributes
from core.data.bundled.field_guide._attributes import ATTRIBUTES
from core.data.bundled.field_guide._params import FieldGuideParams
from core.data.bundled.field_guide._render import render
from core.data.bundled.field_guide._scene import compose
from core.data.bundled.field_guide._species import SPECIES
from core.data.bundled.field_guide._specimen import Stream, draw_specimen, stream
from core.data.splits import cut, stratified_splits
from core.data.types import Dataset

_RENDERER = Path(__file__).parent
_TEST_SHARE = 0.3
_MINIVAL_SHARE = 0.1


def load_field_guide(
    params: FieldGuideParams | None = None,
    *,
    split_seed: int = 0,
    cache_dir: str | PathLike[str] | None = None,
) -> Dataset:
    """Render the field guide, or read it from the cache.

    The images are drawings of invented birds: 24 species, 41 binary attributes recorded for each
    image. An attribute whose part is hidden is recorded as absent, and some cells are wrong, as in
    CUB. About 30 % of each species is the test split, the same for every `split_seed`, and about
    10 % is minival.

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
        Images of shape (3, image_size, image_size).

    Raises
    ------
    ConfigError
        If `split_seed` is negative.

    Warns
    -----
    RuntimeWarning
        If the cache file is damaged, or cannot be read or written. The images are then drawn anew.

    Examples
    --------
    >>> load_field_guide(FieldGuideParams(image_size=64)).image_shape  # doctest: +SKIP
    (3, 64, 64)
    """
    params = params or FieldGuideParams()
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    arrays = cached("field_guide", _cache_key(params), lambda: draw_all(params), folder)
    labels_N = arrays["labels_N"]
    indices = stratified_splits(
        labels_N, test_share=_TEST_SHARE, minival_share=_MINIVAL_SHARE, split_seed=split_seed
    )
    return cut(
        indices,
        name="field_guide",
        class_names=tuple(species.name for species in SPECIES),
        attribute_names=tuple(attribute.name for attribute in ATTRIBUTES),
        images_NCHW=arrays["images_NCHW"],
        labels_N=labels_N,
        attributes_NA=arrays["attributes_NA"],
    )


def draw_all(params: FieldGuideParams) -> Arrays:
    """Draw every image; species take turns, so that more images only append rows."""
    num_images = len(SPECIES) * params.images_per_species
    size = params.image_size
    images_NCHW = np.empty((num_images, 3, size, size), dtype=np.uint8)
    attributes_NA = np.empty((num_images, len(ATTRIBUTES)), dtype=np.bool_)
    labels_N = np.arange(num_images, dtype=np.int64) % len(SPECIES)
    for row, species_index in enumerate(labels_N.tolist()):
        image_index = row // len(SPECIES)
        images_NCHW[row], attributes_NA[row] = draw_one(params, species_index, image_index)
    return {"images_NCHW": images_NCHW, "labels_N": labels_N, "attributes_NA": attributes_NA}


def draw_one(
    params: FieldGuideParams, species_index: int, image_index: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """One image and what the annotator wrote about it, whatever else is drawn before or after."""
    bird = (params.seed, species_index, image_index)
    specimen = draw_specimen(*bird, params.hide_probability)
    scene = compose(specimen, SPECIES[species_index])
    image_CHW = render(scene, specimen, params.image_size, stream(*bird, Stream.GRAIN))
    shown_A = shown_attributes(scene, SPECIES[species_index])
    return image_CHW, misread(shown_A, params.label_noise, stream(*bird, Stream.ANNOTATOR))


def _cache_key(params: FieldGuideParams) -> str:
    # Another Pillow may fill an edge differently, and another NumPy may draw other numbers.
    renderer = source_digest(_RENDERER)
    versions = f"renderer {renderer}, pillow {PIL.__version__}, numpy {np.__version__}"
    return f"field_guide {params.canonical()} {versions}"
